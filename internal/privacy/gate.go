package privacy

// A value's bytes are summed up in one word: a bit for each letter, whatever its
// case, and for each sign that a detector depends on. The top bit says digit.
const (
	hasUpper uint64 = 1 << (iota + 26)
	hasAt
	hasPercent
	hasBackslash
	hasColon
	hasEqual
	hasUnderscore
	hasDash
	hasDot
	hasSpace // or a plus, which is one in a form
	hasSlash
	hasTilde
	hasPlus
	hasParen

	hasDigit  uint64 = 1 << 63
	anyLetter uint64 = 1<<26 - 1
)

const (
	digit uint8 = 1 << iota // bits of kinds
	lower
	upper
	letter = lower | upper
)

var (
	classes = makeClasses()
	kinds   = makeKinds()
)

func makeClasses() (t [256]uint64) {
	for c := range 26 {
		t['a'+c] = 1 << c
		t['A'+c] = 1<<c | hasUpper
	}
	for c := '0'; c <= '9'; c++ {
		t[c] = hasDigit
	}
	for c, bit := range map[byte]uint64{
		'@': hasAt, '%': hasPercent, '\\': hasBackslash, ':': hasColon, '=': hasEqual, '_': hasUnderscore, '-': hasDash,
		'.': hasDot, ' ': hasSpace, '\t': hasSpace, '\n': hasSpace, '/': hasSlash, '~': hasTilde, '+': hasPlus | hasSpace, '(': hasParen,
	} {
		t[c] = bit
	}
	return t
}

func makeKinds() (t [256]uint8) {
	for c := range 26 {
		t['a'+c], t['A'+c] = lower, upper
	}
	for c := '0'; c <= '9'; c++ {
		t[c] = digit
	}
	return t
}

// letters gives the bits of a lower-case word.
func letters(word string) (m uint64) {
	for i := range len(word) {
		m |= classes[word[i]]
	}
	return m
}

// gate sums up a value.
func gate(value []byte) (seen uint64, digits int) {
	n := uint64(0)
	for len(value) >= 4 {
		a, b, c, d := classes[value[0]], classes[value[1]], classes[value[2]], classes[value[3]]
		seen |= a | b | c | d
		n += a>>63 + b>>63 + c>>63 + d>>63
		value = value[4:]
	}
	for _, b := range value {
		c := classes[b]
		seen |= c
		n += c >> 63
	}
	return seen, int(n)
}

var (
	needURLPassword = hasAt | hasColon | hasSlash
	needPassword    = letters("pwd") | hasEqual
	needDSN         = hasAt | hasColon | hasParen
	needJWT         = letters("ey") | hasDot | hasUpper
	needAWS         = letters("ai") | hasUpper
	needSecret      = hasUpper | hasDigit
	needAIza        = letters("aiz") | hasUpper
	needGOCSPX      = letters("gocspx") | hasUpper | hasDash
	needYa29        = letters("ya") | hasDot
	needAzure       = letters("jq")
	needAADSecret   = letters("q") | hasTilde | hasUpper
	needGitHub      = letters("gh") | hasUnderscore
	needGitLab      = letters("gl") | hasDash
	needGitLabOld   = letters("gr") | hasUpper | hasDigit
	needSlack       = letters("x") | hasDash
	needSlackHook   = letters("hoksac") | hasSlash | hasDot
	needStripe      = letters("k") | hasUnderscore
	needWebhook     = letters("whsec") | hasUnderscore
	needPEM         = letters("beginprvatky") | hasDash
	needAge         = letters("agesctky") | hasDash
	needPuTTY       = letters("putyserky") | hasDash
	needBasic       = letters("basic") | hasSpace
	needBearer      = letters("bear") | hasSpace
)

// possible gives the detectors that may find something in a value of n bytes with
// these classes. It errs on the side of looking.
func possible(seen uint64, digits, n int) (p set) {
	has := func(need uint64) bool { return seen&need == need }
	if seen&hasAt != 0 {
		p |= email
		if has(needURLPassword) {
			p |= urlPassword
		}
		if has(needDSN) {
			p |= connectionString
		}
	}
	if has(needPassword) {
		p |= urlPassword | connectionString
	}
	if digits >= 4 {
		if seen&hasDot != 0 {
			p |= ipv4
		}
		if digits >= 7 {
			p |= phone
		}
		if digits >= 9 {
			p |= numeric
		}
		if seen&anyLetter != 0 {
			if digits >= 6 && n >= 9 {
				p |= ukNINO
				if digits >= 7 {
					p |= esDNI
				}
			}
			if n >= 15 {
				p |= iban | itFiscalCode
			}
		}
	}
	if seen&hasColon != 0 {
		p |= ipv6
	}
	if n >= 14 && seen&(hasColon|hasDash|hasDot) != 0 {
		p |= macAddress
	}
	if has(needBasic) {
		p |= basicAuth
	}
	if has(needBearer) {
		p |= bearerToken
	}
	if n < 16 {
		return p
	}
	if has(needJWT) {
		p |= jwt
	}
	if seen&hasUnderscore != 0 {
		if has(needGitHub) {
			p |= gitHubToken
		}
		if has(needStripe) || has(needWebhook) {
			p |= stripeKey
		}
	}
	if n >= 20 && (has(needAWS) || n >= 40 && has(needSecret)) {
		p |= awsKey
	}
	if n >= 35 && (has(needAIza) || has(needGOCSPX)) || has(needYa29) {
		p |= gcpKey
	}
	if n >= 37 && has(needSecret) && (has(needAADSecret) || seen&hasEqual != 0 || has(needAzure)) {
		p |= azureKey
	}
	if has(needGitLab) || has(needGitLabOld) {
		p |= gitLabToken
	}
	if has(needSlack) || has(needSlackHook) {
		p |= slackToken
	}
	if n >= 30 && (has(needPEM) || has(needAge) || has(needPuTTY)) {
		p |= privateKey
	}
	return p
}
