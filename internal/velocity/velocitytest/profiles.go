package velocitytest

import (
	"fmt"
	"time"

	"github.com/fastshop/pipeline/internal/payment"
	"github.com/fastshop/pipeline/internal/velocity"
)

func profileCases() []testCase {
	return []testCase{
		{name: "first seen and last", plan: []string{"customer.first_seen_seconds", "customer.seconds_since_last", "card.first_seen_seconds"},
			run: func(b *book) {
				b.expect(event("a", 0), 0, nan, nan)
				b.expect(event("b", 10, with(payment.KindCard, 1)), 10, 10, 0)
				b.expect(event("c", 50*day), 50*day, 50*day-10, nan)
			}},
		{name: "a long silence is a new beginning", plan: []string{"customer.first_seen_seconds", "customer.seconds_since_last", "customer.device_age_seconds"},
			options: velocity.Options{ProfileHorizon: 40 * 24 * time.Hour},
			run: func(b *book) {
				device := with(payment.KindDevice, 1)
				b.add(event("a", 0, device))
				b.expect(event("b", 40*day, device), 40*day, nan, 40*day)
				b.expect(event("c", 80*day+1, device), 0, nan, 0)
				b.expect(event("d", 80*day+2, device), 1, 1, 1)
			}},
		{name: "counterparts", plan: []string{"customer.device_age_seconds", "customer.address_age_seconds"},
			run: func(b *book) {
				b.expect(event("a", 0, with(payment.KindDevice, 1)), 0, nan)
				b.expect(event("b", 60, with(payment.KindDevice, 1), with(payment.KindAddress, 1)), 60, 0)
				b.expect(event("c", 61, with(payment.KindDevice, 2), with(payment.KindAddress, 1)), 0, 1)
				b.expect(event("late", -100, with(payment.KindDevice, 1)), 0, nan)
				b.expect(event("d", 100*day, with(payment.KindDevice, 1)), 100*day+100, nan)
			}},
		{name: "a retracted meeting never was", plan: []string{"customer.device_age_seconds", "customer.first_seen_seconds"},
			run: func(b *book) {
				device := with(payment.KindDevice, 1)
				b.add(event("a", 0, device), event("b", 10, device), event("c", 20, device))
				b.retract("a")
				b.expect(event("d", 30, device), 20, 20)
				b.retract("d")
				b.retract("c")
				b.expect(event("e", 31, device), 21, 21)
				b.retract("b")
				b.retract("e")
				b.expect(event("f", 32, device), 0, 0)
				b.expect(event("g", 33, device), 1, 1)
			}},
		{name: "the 65th counterpart replaces the least recently seen", plan: []string{"customer.device_age_seconds"}, run: forgetDevice},
	}
}

func habitCases() []testCase {
	return []testCase{
		{name: "median and spread of amounts", plan: []string{"customer.amount_median", "customer.amount_spread"},
			run: func(b *book) {
				b.expect(event("a", 0, amount(100)), nan, nan)
				b.expect(event("b", 1, amount(101)), 100, 0)
				b.expect(event("c", 2, amount(103)), 100.5, 1.4826*0.5)
				b.expect(event("d", 3, amount(1_000_000)), 101, 1.4826)
				b.expect(event("e", 4), 102, 1.4826*1.5)
			}},
		{name: "the sample is the newest 64", plan: []string{"customer.amount_median", "customer.hour_share"},
			run: func(b *book) {
				for i := range 30 {
					b.add(event(fmt.Sprint("old", i), i-60*day-6*3600, amount(1)))
				}
				b.expect(event("a", 0, amount(5)), 1, 0)
				for i := range 63 {
					b.add(event(fmt.Sprint("new", i), 1, amount(int64(10+i))))
				}
				b.expect(event("b", 2), 40.5, 1) // 5 and 10 to 72
			}},
		{name: "hours near midnight", plan: []string{"customer.hour_share"},
			run: func(b *book) { // start is 9:00 in Brasília
				b.add(event("23h", 14*3600), event("0h", 15*3600), event("1h", 16*3600), event("22h", 13*3600))
				b.expect(event("now", 39*3600), 0.75)
			}},
		{name: "run of frauds", plan: []string{"terminal.fraud_run"}, run: fraudRun},
		{name: "a run ends at 64", plan: []string{"terminal.fraud_run"},
			run: func(b *book) {
				terminal := with(payment.KindTerminal, 1)
				for i := range 200 {
					b.add(event(fmt.Sprint(i), i, terminal))
					b.label(fmt.Sprint(i), true, after(i))
				}
				b.expect(event("now", 200, terminal), 64)
			}},
	}
}

func forgetDevice(b *book) {
	for i := range 64 {
		b.add(event(fmt.Sprint(i), i, with(payment.KindDevice, 1+i)))
	}
	b.expect(event("first again", 100, with(payment.KindDevice, 1)), 100)
	b.expect(event("65th", 101, with(payment.KindDevice, 65)), 0)
	b.expect(event("second is gone", 102, with(payment.KindDevice, 2)), 0)
	b.expect(event("third went for it", 103, with(payment.KindDevice, 3)), 0)
	b.expect(event("first is still there", 104, with(payment.KindDevice, 1)), 104)
}

func fraudRun(b *book) {
	terminal := with(payment.KindTerminal, 1)
	b.expect(event("0", 0, terminal), 0)
	for i := 1; i <= 6; i++ {
		b.add(event(fmt.Sprint(i), i, terminal))
	}
	b.label("2", true, after(100))
	b.label("4", true, after(200))
	b.label("6", true, after(300))
	b.expect(event("before", 99, terminal), 0)
	b.retract("before")
	b.expect(event("all unknown between", 300, terminal), 3)
	b.retract("all unknown between")
	b.label("3", false, after(400))
	b.expect(event("genuine not yet known", 399, terminal), 3)
	b.retract("genuine not yet known")
	b.expect(event("genuine", 400, terminal), 2)
	b.retract("genuine")
	b.expect(event("the fifth matures", 7*day+4, terminal), 2)
	b.retract("the fifth matures")
	b.expect(event("the fifth is genuine", 7*day+5, terminal), 1)
	b.retract("the fifth is genuine")
	b.add(event("twin", 6, terminal))
	b.label("twin", false, after(300))
	b.expect(event("a genuine twin", 7*day+5, terminal), 0)
}
