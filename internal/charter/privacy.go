package charter

import "slices"

// Privacy says how values are searched for personal data and secrets. A detector
// that fails drops the value: there is no other way to set it.
type Privacy struct {
	Detectors []string // those that are on, in the order of DetectorNames
}

// detectors is the closed list of what can be found in a value.
var detectors = []struct {
	name string
	off  bool // unless the charter names it
	doc  string
}{
	{"email", false, "e-mail addresses"},
	{"payment_card", false, "numbers of payment cards, with issuer, length and Luhn's check"},
	{"iban", false, "international bank account numbers"},
	{"phone", true, "telephone numbers"},
	{"jwt", false, "JSON web tokens"},
	{"aws_key", false, "access keys of Amazon Web Services"},
	{"gcp_key", false, "keys of Google Cloud"},
	{"azure_key", false, "keys of Microsoft Azure"},
	{"github_token", false, "tokens of GitHub"},
	{"gitlab_token", false, "tokens of GitLab"},
	{"slack_token", false, "tokens of Slack"},
	{"stripe_key", false, "keys of Stripe"},
	{"private_key", false, "private keys in PEM"},
	{"basic_auth", false, "Basic credentials of an Authorization header"},
	{"bearer_token", false, "Bearer tokens of an Authorization header"},
	{"url_password", false, "passwords in URLs"},
	{"connection_string", false, "passwords in connection strings of databases"},
	{"us_ssn", false, "social security numbers of the United States"},
	{"de_tax_id", false, "tax identification numbers of Germany"},
	{"uk_nino", false, "national insurance numbers of the United Kingdom"},
	{"fr_nir", false, "social security numbers of France"},
	{"es_dni", false, "identity numbers of Spain"},
	{"it_fiscal_code", false, "fiscal codes of Italy"},
	{"nl_bsn", false, "citizen service numbers of the Netherlands"},
	{"in_aadhaar", false, "Aadhaar numbers of India"},
	{"br_cpf", false, "CPF numbers of Brazil"},
	{"pl_pesel", false, "PESEL numbers of Poland"},
	{"ipv4", true, "IPv4 addresses"},
	{"ipv6", true, "IPv6 addresses"},
	{"mac_address", true, "MAC addresses"},
}

// DetectorNames lists every detector that a charter may name.
func DetectorNames() []string {
	names := make([]string, len(detectors))
	for i, d := range detectors {
		names[i] = d.name
	}
	return names
}

func defaultDetectors() []string {
	var names []string
	for _, d := range detectors {
		if !d.off {
			names = append(names, d.name)
		}
	}
	return names
}

// Privacy gives the section of that name.
func (c *Charter) Privacy() Privacy {
	return Privacy{Detectors: slices.Clone(c.detectors)}
}
