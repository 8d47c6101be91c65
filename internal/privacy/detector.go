package privacy

import (
	"fmt"
	"math/bits"
	"strings"
)

// Detector is the name of one kind of personal data or secret. The list is closed.
type Detector string

// The detectors, in the order of [Detectors].
const (
	Email            Detector = "email"
	PaymentCard      Detector = "payment_card"
	IBAN             Detector = "iban"
	Phone            Detector = "phone"
	JWT              Detector = "jwt"
	AWSKey           Detector = "aws_key"
	GCPKey           Detector = "gcp_key"
	AzureKey         Detector = "azure_key"
	GitHubToken      Detector = "github_token"
	GitLabToken      Detector = "gitlab_token"
	SlackToken       Detector = "slack_token"
	StripeKey        Detector = "stripe_key"
	PrivateKey       Detector = "private_key"
	BasicAuth        Detector = "basic_auth"
	BearerToken      Detector = "bearer_token"
	URLPassword      Detector = "url_password"
	ConnectionString Detector = "connection_string"
	USSSN            Detector = "us_ssn"
	DETaxID          Detector = "de_tax_id"
	UKNINO           Detector = "uk_nino"
	FRNIR            Detector = "fr_nir"
	ESDNI            Detector = "es_dni"
	ITFiscalCode     Detector = "it_fiscal_code"
	NLBSN            Detector = "nl_bsn"
	INAadhaar        Detector = "in_aadhaar"
	BRCPF            Detector = "br_cpf"
	PLPESEL          Detector = "pl_pesel"
	IPv4             Detector = "ipv4"
	IPv6             Detector = "ipv6"
	MACAddress       Detector = "mac_address"
)

var names = [...]Detector{
	Email, PaymentCard, IBAN, Phone, JWT, AWSKey, GCPKey, AzureKey, GitHubToken, GitLabToken,
	SlackToken, StripeKey, PrivateKey, BasicAuth, BearerToken, URLPassword, ConnectionString,
	USSSN, DETaxID, UKNINO, FRNIR, ESDNI, ITFiscalCode, NLBSN, INAadhaar, BRCPF, PLPESEL,
	IPv4, IPv6, MACAddress,
}

// set holds detectors, one bit each, in the order of names.
type set uint32

const (
	email set = 1 << iota
	paymentCard
	iban
	phone
	jwt
	awsKey
	gcpKey
	azureKey
	gitHubToken
	gitLabToken
	slackToken
	stripeKey
	privateKey
	basicAuth
	bearerToken
	urlPassword
	connectionString
	usSSN
	deTaxID
	ukNINO
	frNIR
	esDNI
	itFiscalCode
	nlBSN
	inAadhaar
	brCPF
	plPESEL
	ipv4
	ipv6
	macAddress

	// numeric are found in words of digits alone.
	numeric = paymentCard | phone | usSSN | deTaxID | frNIR | nlBSN | inAadhaar | brCPF | plPESEL
)

// name gives the name of a set of one.
func (d set) name() Detector { return names[bits.TrailingZeros32(uint32(d))] }

// Detectors gives the names of all detectors, in a fixed order.
func Detectors() []Detector { return append([]Detector(nil), names[:]...) }

// Defaults gives the detectors that are on where nobody chose: all but those for
// telephone numbers and network addresses, which services write for good reasons.
func Defaults() []Detector {
	var out []Detector
	for i, n := range names {
		if set(1)<<i&(phone|ipv4|ipv6|macAddress) == 0 {
			out = append(out, n)
		}
	}
	return out
}

// Scanner looks for the detectors that it was made with.
type Scanner struct{ on set }

// New makes a scanner. A name that is unknown or stands there twice is an error.
func New(on []Detector) (*Scanner, error) {
	s := &Scanner{}
	for _, d := range on {
		bit := set(0)
		for i, n := range names {
			if n == d {
				bit = 1 << i
			}
		}
		switch {
		case bit == 0:
			return nil, fmt.Errorf("detector: %q is unknown; write %q, or another of the list", d, nearest(d))
		case s.on&bit != 0:
			return nil, fmt.Errorf("detector: %q stands there twice; write it once", d)
		}
		s.on |= bit
	}
	return s, nil
}

// nearest gives the detector with the fewest edits from d, the first of equals. A
// name that is a part of d, or d of it, is nearer than any other: "card", "aadhaar".
func nearest(d Detector) Detector {
	best, least := names[0], 1<<30
	word := strings.ToLower(strings.TrimSpace(string(d)))
	if len(word) > 64 {
		word = word[:64]
	}
	for _, n := range names {
		e := 2 * edits(word, string(n))
		if len(word) > 2 && (strings.Contains(string(n), word) || strings.Contains(word, string(n))) {
			e = 1
		}
		if e < least {
			best, least = n, e
		}
	}
	return best
}

// edits counts the letters to add, drop or change between a and b.
func edits(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			change := diagonal
			if a[i] != b[j] {
				change++
			}
			diagonal = row[j+1]
			row[j+1] = min(change, row[j]+1, diagonal+1)
		}
	}
	return row[len(b)]
}
