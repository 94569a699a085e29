package console

import (
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"io/fs"
	"net/http"
	"path"
	"strings"
)

//go:embed assets
var embedded embed.FS

// assets are the script, the style sheet and the icon, by the name they are served
// under, which has the hash of the content: they may be cached for good.
type assets struct {
	byURL map[string]asset
	urls  map[string]string // file name → URL path
}

type asset struct {
	content     []byte
	contentType string
}

func loadAssets() assets {
	a := assets{byURL: map[string]asset{}, urls: map[string]string{}}
	types := map[string]string{".js": "text/javascript; charset=utf-8", ".css": "text/css; charset=utf-8", ".svg": "image/svg+xml"}
	names, _ := fs.Glob(embedded, "assets/*") // the pattern is constant and well formed
	for _, name := range names {
		content, err := embedded.ReadFile(name)
		if err != nil {
			continue // a folder; there is none
		}
		sum := sha256.Sum256(content)
		ext, base := path.Ext(name), path.Base(name)
		hashed := strings.TrimSuffix(base, ext) + "." + hex.EncodeToString(sum[:6]) + ext
		a.byURL[hashed] = asset{content, types[ext]}
		a.urls[base] = "/live/assets/" + hashed
	}
	return a
}

func (s *site) asset(w http.ResponseWriter, r *http.Request) {
	a, ok := s.assets.byURL[r.PathValue("name")]
	if !ok {
		http.NotFound(w, r)
		return
	}
	w.Header().Set("Content-Type", a.contentType)
	w.Header().Set("Cache-Control", "public, max-age=31536000, immutable")
	_, _ = w.Write(a.content) // the client is gone; nobody to tell
}
