#!/bin/sh
# Rebuilds everything that is generated for the screens: icons, templ code, vendored scripts and the stylesheet. Needs node_modules (npm ci) and
# Go; the results are committed, so that a plain clone builds with Go alone. The output depends on the pinned versions only.
set -eu
cd "$(dirname "$0")/.."

go run views/ui/icongen.go
go tool templ generate -path views -log-level warn

# The source map is not shipped, so neither is the reference to it.
sed '/^\/\/# sourceMappingURL=/d' node_modules/htmx.org/dist/htmx.min.js >static/htmx.js

# Basecoat keeps the look of all its components in one file, section by section; keep those in use, a fifth of it.
awk '
  /^  \/\* / || /^\/\* / { name = $0; gsub(/^ *\/\* | \*\/$/, "", name); keep = name ~ /^(Button|Textarea|Input|Native Select|Alert|Badge|Breadcrumb|Card|Field|Empty|Kbd|Label|Table)$/ }
  NR == 1 { print "@layer components {"; next }
  /^@layer/ || /^}/ { next }
  keep { print }
  END { print "}" }
' node_modules/basecoat-css/dist/styles/vega.css >static/src/basecoat_gen.css

npx --no-install tailwindcss -i static/src/app.css -o static/app.css --minify
