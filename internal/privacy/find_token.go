package privacy

// token looks at words that tokens of services begin with, and at the words that
// a secret stands behind. It gives the end of what it found, or 0.
func (w *walk) token(start, end int) int {
	switch w.v[start] {
	case 'e':
		if w.on&jwt != 0 && end-start >= 4 {
			return w.jwt(start)
		}
	case 'A':
		if w.on&awsKey != 0 && end-start == 20 {
			if next := w.awsID(start, end); next > 0 {
				return next
			}
		}
		if w.on&gcpKey != 0 && w.exactly(start, "AIza") && w.leftEdge(start) {
			return w.prefixed(gcpKey, start, 4, 35, 35)
		}
		if w.on&privateKey != 0 && w.exactly(start, "AGE-SECRET-KEY-1") {
			return w.prefixed(privateKey, start, 16, 58, 58)
		}
	case 'G':
		if w.on&gcpKey != 0 && w.exactly(start, "GOCSPX-") {
			return w.prefixed(gcpKey, start, 7, 28, 28)
		}
		if w.on&gitLabToken != 0 && w.exactly(start, "GR1348941") {
			return w.prefixed(gitLabToken, start, 9, 20, 64)
		}
	case 'y':
		if w.on&gcpKey != 0 && w.exactly(start, "ya29.") {
			return w.prefixed(gcpKey, start, 5, 20, 2048)
		}
	case 'g':
		if w.on&gitHubToken != 0 && end-start == 3 && w.is(end, '_') && w.exactly(start, "gh") && isOneOf(w.v[start+2], "pousr") {
			return w.prefixed(gitHubToken, start, 4, 36, 2048)
		}
		if w.on&gitHubToken != 0 && w.exactly(start, "github_pat_") {
			return w.prefixed(gitHubToken, start, 11, 40, 255)
		}
		if w.on&gitLabToken != 0 && w.is(end, '-') && gitLabPrefix(w.v[start:end]) {
			return w.gitLab(start, end+1)
		}
	case 'x':
		if w.on&slackToken != 0 && w.is(end, '-') && (end-start == 4 && (w.exactly(start, "xox") || w.exactly(start, "xapp"))) {
			return w.prefixed(slackToken, start, 5, 16, 1024)
		}
		if w.on&slackToken != 0 && w.exactly(start, "xoxe.xox") {
			return w.prefixed(slackToken, start, 10, 16, 1024)
		}
	case 's', 'r':
		if w.on&stripeKey != 0 && end-start == 2 && w.is(start+1, 'k') && (w.exactly(end, "_live_") || w.exactly(end, "_test_")) {
			return w.prefixed(stripeKey, start, 8, 16, 255)
		}
		if w.on&slackToken != 0 && w.exactly(start, "services") && w.exactly(start-len("hooks.slack.com/"), "hooks.slack.com/") {
			return w.slackHook(end + 1)
		}
	case 'w':
		if w.on&stripeKey != 0 && w.exactly(start, "whsec_") {
			return w.prefixed(stripeKey, start, 6, 24, 255)
		}
		if w.on&slackToken != 0 && w.exactly(start, "workflows") && w.exactly(start-len("hooks.slack.com/"), "hooks.slack.com/") {
			return w.slackHook(end + 1)
		}
	case 't':
		if w.on&slackToken != 0 && w.exactly(start, "triggers") && w.exactly(start-len("hooks.slack.com/"), "hooks.slack.com/") {
			return w.slackHook(end + 1)
		}
	}
	return w.keyword(start, end)
}

// prefixed takes the run of letters, digits, '-' and '_' behind a prefix of some
// bytes, when its length is within bounds. A run that is longer is taken too where
// most is that of no exact format.
func (w *walk) prefixed(d set, start, prefix, least, most int) int {
	if start > 0 && w.accented(start-1) || w.kind(start-1) != 0 {
		return 0
	}
	from := start + prefix
	if from > len(w.v) {
		return 0
	}
	end := w.tokenRun(from)
	n := end - from
	if n < least || least == most && n != least {
		return 0
	}
	if d == slackToken && !w.anyDigit(from, min(end, from+most)) {
		return 0
	}
	return w.add(d, start, end)
}

func (w *walk) anyDigit(start, end int) bool {
	for _, c := range w.v[start:end] {
		if kinds[c] == digit {
			return true
		}
	}
	return false
}

func gitLabPrefix(word []byte) bool {
	switch string(word) {
	case "glpat", "gldt", "glrt", "glrtr", "glcbt", "glptt", "glft", "glimt", "glagent", "gloas", "glsoat", "glffct", "glwt":
		return true
	}
	return false
}

// gitLab takes a token and the parts behind its dots, which tell where it is routed.
func (w *walk) gitLab(start, from int) int {
	end := w.tokenRun(from)
	if end-from < 20 {
		return 0
	}
	for range 2 {
		if w.is(end, '.') && w.kind(end+1) != 0 {
			end = w.tokenRun(end + 1)
		}
	}
	return w.add(gitLabToken, start, end)
}

// slackHook takes the path of a webhook: T…/B…/….
func (w *walk) slackHook(start int) int {
	end := start
	for end < len(w.v) && end-start < 256 && (kinds[w.v[end]] != 0 || w.v[end] == '/') {
		end++
	}
	for end > start && w.v[end-1] == '/' {
		end--
	}
	if end-start < 20 || !w.anyDigit(start, end) {
		return 0
	}
	return w.add(slackToken, start, end)
}

// jwt takes a token of three parts, or of five when it is encrypted. The first is
// the base64 of an object's beginning; the last may be empty.
func (w *walk) jwt(start int) int {
	if !(w.exactly(start, "eyJ") || w.exactly(start, "eyAi") || w.exactly(start, "ewog")) || w.kind(start-1) != 0 || w.is(start-1, '.') && w.kind(start-2) != 0 {
		return 0
	}
	end := w.tokenRun(start)
	if end-start < 12 || !w.is(end, '.') {
		return 0
	}
	second := w.tokenRun(end + 1)
	if second-end-1 < 4 && !(w.is(second, '.') && w.tokenRun(second+1) > second+8) {
		return 0
	}
	end = second
	for range 3 {
		if !w.is(end, '.') {
			break
		}
		next := w.tokenRun(end + 1)
		if next == end+1 && !w.is(next, '.') {
			break
		}
		end = next
	}
	return w.add(jwt, start, end)
}

// awsID takes an access key id: a prefix and 16 of A–Z and 2–7.
func (w *walk) awsID(start, end int) int {
	if !w.wordEdges(start, end) {
		return 0
	}
	switch string(w.v[start : start+4]) {
	case "AKIA", "ASIA", "ABIA", "ACCA":
	default:
		return 0
	}
	for _, c := range w.v[start+4 : end] {
		if kinds[c] != upper && (c < '2' || c > '7') {
			return 0
		}
	}
	return w.add(awsKey, start, end)
}

// azureSecret takes a client secret around the '~' at i: three signs, a digit,
// "Q~", and 31 to 34 more.
func (w *walk) azureSecret(i int) int {
	start := i - 5
	if start < 0 || w.v[i-1] != 'Q' || w.kind(i-2) != digit || w.kind(start-1) != 0 {
		return 0
	}
	in := func(c byte) bool { return kinds[c] != 0 || c == '~' || c == '_' || c == '.' || c == '-' }
	for _, c := range w.v[start : i-2] {
		if !in(c) {
			return 0
		}
	}
	end := i + 1
	for end < len(w.v) && end-i <= 36 && in(w.v[end]) {
		end++
	}
	for end > i && w.v[end-1] == '.' {
		end--
	}
	if n := end - i - 1; n < 31 || n > 34 {
		return 0
	}
	return w.add(azureKey, start, end)
}

// secretRun looks at the run of base64 that begins with the word at start: secrets
// that have a length and no other form.
func (w *walk) secretRun(start int) int {
	if w.on&(awsKey|azureKey) == 0 || start < w.run64.end {
		return 0
	}
	v, end := w.v, start
	for start > 0 && (v[start-1] == '/' || v[start-1] == '+') && start-1 >= w.run64.end {
		start--
	}
	var kind uint8
	for end < len(v) && (kinds[v[end]] != 0 || v[end] == '/' || v[end] == '+') {
		kind |= kinds[v[end]]
		end++
	}
	w.steps += end - start
	w.run64 = run{start, end}
	n := end - start
	pad := 0
	for pad < 2 && w.is(end+pad, '=') {
		pad++
	}
	if kind != digit|letter || n < 40 || n > 88 {
		return 0
	}
	switch {
	// Forty may be one less, or a slash of a path more, where the run begins with one.
	case w.on&awsKey != 0 && n == 40 && pad == 0 && w.context(start)&ctxSecret != 0:
		return w.add(awsKey, start, end)
	case w.on&azureKey != 0 && (n == 86 && pad == 2 || n == 43 && pad == 1):
		if n == 86 && w.exactly(start+76, "+ASt") || w.context(start)&ctxAzure != 0 {
			return w.add(azureKey, start, end+pad)
		}
	case w.on&azureKey != 0 && n == 84 && pad == 0 && w.exactly(start+52, "JQQJ99"):
		return w.add(azureKey, start, end)
	}
	return 0
}
