package console

import (
	"context"
	"fmt"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"

	"github.com/fastshop/pipeline/internal/decision"
	"github.com/fastshop/pipeline/internal/payment"
)

// browser starts a headless Chromium with a profile of its own. Without one the test
// fails where FASTSHOP_REQUIRE_BROWSER or CI is set, and else says how to get it.
func browser(t *testing.T) context.Context {
	t.Helper()
	path := ""
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome", "chrome"} {
		if found, err := exec.LookPath(name); err == nil {
			path = found
			break
		}
	}
	if path == "" {
		const how = "no Chromium found, the pages were NOT tested in a browser; install it with: apt-get install chromium"
		if os.Getenv("FASTSHOP_REQUIRE_BROWSER") != "" || os.Getenv("CI") != "" {
			t.Fatal(how)
		}
		t.Skip(how)
	}
	options := []chromedp.ExecAllocatorOption{
		chromedp.ExecPath(path), chromedp.UserDataDir(t.TempDir()), chromedp.Headless, chromedp.NoSandbox, chromedp.DisableGPU,
		chromedp.NoFirstRun, chromedp.Flag("disable-background-networking", true), chromedp.Flag("disable-component-update", true),
		chromedp.Flag("disable-sync", true), chromedp.Flag("disable-dev-shm-usage", true),
	}
	ctx, cancel := chromedp.NewExecAllocator(t.Context(), options...)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewContext(ctx)
	t.Cleanup(cancel)
	if err := chromedp.Do(ctx); err != nil {
		t.Fatalf("start %s: %v", path, err)
	}
	ctx, cancel = context.WithTimeout(ctx, 2*time.Minute)
	t.Cleanup(cancel)
	return ctx
}

// complaints gathers what the browser has against a page: console errors, exceptions, CSP violations, requests to other hosts.
type complaints struct {
	mu   sync.Mutex
	list []string
}

func listen(t *testing.T, ctx context.Context, home string) *complaints {
	t.Helper()
	c := &complaints{}
	add := func(format string, args ...any) {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.list = append(c.list, fmt.Sprintf(format, args...))
	}
	err := chromedp.Listen(ctx, func(event any) {
		switch e := event.(type) {
		case *runtime.EventConsoleAPICalled:
			add("console.%s", e.Type)
		case *runtime.EventExceptionThrown:
			add("exception: %s", e.ExceptionDetails.Text)
		case *log.EventEntryAdded:
			if e.Entry.Level == log.EntryLevelWarning || e.Entry.Level == log.EntryLevelError { // the rest is advice
				add("%s: %s", e.Entry.Level, e.Entry.Text)
			}
		case *network.EventRequestWillBeSent:
			if !strings.HasPrefix(e.Request.URL, home) {
				add("request to %s", e.Request.URL)
			}
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	err = chromedp.Do(ctx, command(network.Enable, network.EnableParams{}), command(log.Enable, cdp.Empty{}), command(runtime.Enable, cdp.Empty{}))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// command is a protocol command without a result as an action.
func command[P, R any](c cdp.Command[P, R], params P) step {
	return chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		_, err := cdp.Call(ctx, t, c, params)
		return err
	})
}

type step = chromedp.Action[chromedp.Void]

func (c *complaints) check(t *testing.T) {
	t.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, line := range c.list {
		t.Errorf("the browser complains: %s", line)
	}
	c.list = nil
}

// shooter makes actions that save what the browser shows, into FASTSHOP_SCREENSHOTS or a folder of the test.
func shooter(t *testing.T) func(name string) step {
	dir := os.Getenv("FASTSHOP_SCREENSHOTS")
	if dir == "" {
		dir = t.TempDir()
	}
	return func(name string) step {
		return func(ctx context.Context, target *chromedp.Target) (chromedp.Void, error) {
			png, err := chromedp.FullScreenshot(100)(ctx, target)
			if err != nil {
				return chromedp.Void{}, fmt.Errorf("take %s: %w", name, err)
			}
			return chromedp.Void{}, os.WriteFile(filepath.Join(dir, name+".png"), png, 0o600)
		}
	}
}

func scheme(value string) step {
	return command(emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
		Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: value}},
	})
}

// until waits for an expression to be true.
func until(expression string) step {
	return func(ctx context.Context, t *chromedp.Target) (chromedp.Void, error) {
		_, err := chromedp.Poll[bool](expression)(ctx, t)
		if err != nil {
			return chromedp.Void{}, fmt.Errorf("wait for %s: %w", expression, err)
		}
		return chromedp.Void{}, nil
	}
}

const noSideScroll = `document.documentElement.scrollWidth <= document.documentElement.clientWidth`

// tab is a browser on a live page.
type tab struct {
	ctx        context.Context
	feed       *Feed
	home       string
	found      *complaints
	screenshot func(name string) step
}

func (b *tab) run(t *testing.T, actions ...step) {
	t.Helper()
	if err := chromedp.Do(b.ctx, actions...); err != nil {
		t.Fatal(err)
	}
}

// truth checks that an expression holds on the page.
func (b *tab) truth(t *testing.T, what, expression string) {
	t.Helper()
	ok, err := chromedp.Run(b.ctx, chromedp.Evaluate[bool](expression))
	if err != nil {
		t.Fatalf("%s: %v", what, err)
	}
	if !ok {
		t.Errorf("%s: %s is false", what, expression)
	}
}

func TestBrowser(t *testing.T) {
	ctx := browser(t)
	c := newClock(time.Now())
	feed := fill(c, time.Now())
	server := httptest.NewServer(openPage(feed, time.Now))
	t.Cleanup(server.Close)
	feed.now = time.Now // the canned minutes are over, the clock on the wall goes on
	b := &tab{ctx: ctx, feed: feed, home: server.URL, found: listen(t, ctx, server.URL), screenshot: shooter(t)}
	for _, part := range []struct {
		name string
		test func(*testing.T)
	}{
		{"desktop", b.desktop}, {"updates by itself", b.updates}, {"filter and pause", b.filterAndPause},
		{"phone and dark", b.phoneAndDark}, {"language switch", b.languageSwitch},
	} {
		t.Run(part.name, func(t *testing.T) {
			part.test(t)
			b.found.check(t)
		})
	}
}

func (b *tab) desktop(t *testing.T) {
	b.run(t, chromedp.EmulateViewport(1440, 900), scheme("light"), chromedp.Navigate(b.home+"/?lang=pt"),
		until(`document.getElementById("status").dataset.state === "live"`), b.screenshot("desktop-light"))
	b.truth(t, "wide screen", noSideScroll)
	b.truth(t, "language", `document.documentElement.lang === "pt-BR"`)
	b.truth(t, "rows", `document.querySelectorAll("#rows tr").length === 30`)
}

func (b *tab) updates(t *testing.T) {
	before := b.feed.Snapshot(0, 1)
	b.feed.Publish(Event{
		ID: "fs-fresh", At: time.Now(), Centavos: 123456, Method: payment.Pix, Channel: payment.App, Merchant: "m-90001",
		Outcome: decision.Decline, Score: 910, Reasons: cannedReasons[2:3], Latency: 3 * time.Millisecond,
	})
	want := portuguese().count(before.Total() + 1)
	b.run(t, until(`document.querySelector('#rows tr[title="fs-fresh"]') !== null`),
		until(fmt.Sprintf(`document.getElementById("total").textContent === %q`, want)))
	b.truth(t, "newest first", `document.querySelector("#rows tr").title === "fs-fresh"`)
	b.truth(t, "amount", `document.querySelector("#rows tr .amount").textContent === "R$\u00a01.234,56"`)
	b.truth(t, "reason", `document.querySelector("#rows tr .reasons li").textContent.startsWith("Pix noturno")`)
	b.truth(t, "bounded", `document.querySelectorAll("#rows tr").length <= 30`)
}

func (b *tab) filterAndPause(t *testing.T) {
	b.run(t, chromedp.Click(chromedp.CSS(`[data-show="held"]`)))
	b.truth(t, "held only", `[...document.querySelectorAll("#rows tr")].every(r => r.classList.contains("approve") === (r.offsetParent === null))`)
	b.run(t, b.screenshot("desktop-held"), chromedp.Click(chromedp.CSS(`[data-show="all"]`)), chromedp.Click(chromedp.CSS("#pause")))
	b.truth(t, "paused", `document.getElementById("status").dataset.state === "paused"`)
	b.feed.Publish(Event{ID: "fs-missed", At: time.Now(), Method: payment.Card, Outcome: decision.Review, Score: 600})
	b.run(t, chromedp.Sleep(time.Second))
	b.truth(t, "nothing new while paused", `document.querySelector('#rows tr[title="fs-missed"]') === null`)
	b.run(t, chromedp.Click(chromedp.CSS("#pause")), until(`document.querySelector('#rows tr[title="fs-missed"]') !== null`))
}

func (b *tab) phoneAndDark(t *testing.T) {
	b.run(t, chromedp.EmulateViewport(390, 844, chromedp.EmulateMobile), scheme("light"), chromedp.Navigate(b.home+"/?lang=pt"),
		chromedp.WaitVisible(chromedp.CSS("#rows tr")), b.screenshot("phone-light"))
	b.truth(t, "phone", noSideScroll)
	b.run(t, scheme("dark"), b.screenshot("phone-dark"), chromedp.EmulateViewport(1440, 900), b.screenshot("desktop-dark"))
	b.truth(t, "dark", `getComputedStyle(document.body).backgroundColor === "rgb(12, 18, 16)"`)
	b.run(t, scheme("light"), chromedp.EmulateViewport(768, 1024), b.screenshot("tablet-light"))
	b.truth(t, "tablet", noSideScroll)
}

func (b *tab) languageSwitch(t *testing.T) {
	b.run(t, chromedp.EmulateViewport(1440, 900), chromedp.Click(chromedp.CSS(`a[hreflang="en"]`)), chromedp.WaitVisible(chromedp.CSS(`html[lang="en"] #latest-title`)))
	b.truth(t, "English", `document.getElementById("latest-title").textContent === "Latest decisions"`)
	b.run(t, b.screenshot("desktop-english"))
}

func TestBrowserEmptyAndLogin(t *testing.T) {
	ctx := browser(t)
	feed := NewFeed(time.Now)
	server := httptest.NewServer(Page(Config{Feed: feed, Authenticator: keysOf("letmein-0001"), Now: time.Now, Logger: discard}))
	t.Cleanup(server.Close)
	found := listen(t, ctx, server.URL)
	screenshot := shooter(t)
	run := func(actions ...step) {
		t.Helper()
		if err := chromedp.Do(ctx, actions...); err != nil {
			t.Fatal(err)
		}
	}
	run(scheme("light"), chromedp.EmulateViewport(390, 844, chromedp.EmulateMobile),
		chromedp.Navigate(server.URL+"/"), chromedp.WaitVisible(chromedp.CSS("#key")), screenshot("login-phone"),
		chromedp.EmulateViewport(1440, 900), screenshot("login-desktop"),
		chromedp.SendKeys(chromedp.CSS("#key"), "letmein-0001\r"), chromedp.WaitVisible(chromedp.CSS(".empty")),
		until(`document.getElementById("status").dataset.state === "live"`), screenshot("empty-desktop"),
		chromedp.EmulateViewport(390, 844, chromedp.EmulateMobile), screenshot("empty-phone"), until(noSideScroll))
	found.check(t)
	feed.Publish(Event{ID: "fs-first", At: time.Now(), Centavos: 990, Method: payment.Card, Outcome: decision.Approve})
	run(chromedp.WaitVisible(chromedp.CSS("#rows tr")), chromedp.WaitNotVisible(chromedp.CSS(".empty")),
		chromedp.Click(chromedp.CSS(`form[action^="/logout"] button`)), chromedp.WaitVisible(chromedp.CSS("#key")))
	found.check(t)
}
