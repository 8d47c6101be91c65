package hostile

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"time"
)

// certificates makes an authority, a certificate for the server and one for a
// client, all valid for an hour.
func (s *Server) certificates() (*tls.Config, error) {
	authority, authorityKey, err := issue("Hostile Authority", nil, nil, nil)
	if err != nil {
		return nil, err
	}
	address := net.IPv4(127, 0, 0, 1)
	if s.script.TLS == "wrong_host" {
		address = net.IPv4(192, 0, 2, 1)
	}
	var server *x509.Certificate
	var serverKey *ecdsa.PrivateKey
	if s.script.TLS == "self_signed" {
		server, serverKey, err = issue("collector", []net.IP{address}, nil, nil)
	} else {
		server, serverKey, err = issue("collector", []net.IP{address}, authority, authorityKey)
	}
	if err != nil {
		return nil, err
	}
	client, clientKey, err := issue("client", nil, authority, authorityKey)
	if err != nil {
		return nil, err
	}
	key, err := x509.MarshalPKCS8PrivateKey(clientKey)
	if err != nil {
		return nil, err
	}
	s.CA = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: authority.Raw})
	s.ClientCert = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: client.Raw})
	s.ClientKey = pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key})
	config := &tls.Config{
		Certificates: []tls.Certificate{{Certificate: [][]byte{server.Raw}, PrivateKey: serverKey}},
		MinVersion:   tls.VersionTLS12,
	}
	if s.script.TLS == "mutual" {
		config.ClientCAs = x509.NewCertPool()
		config.ClientCAs.AddCert(authority)
		config.ClientAuth = tls.RequireAndVerifyClientCert
	}
	return config, nil
}

// issue makes a certificate. Without an authority it signs itself.
func issue(name string, addresses []net.IP, authority *x509.Certificate, authorityKey *ecdsa.PrivateKey) (*x509.Certificate, *ecdsa.PrivateKey, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, err
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 100))
	if err != nil {
		return nil, nil, err
	}
	template := &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: name}, IPAddresses: addresses,
		NotBefore: time.Now().Add(-time.Minute), NotAfter: time.Now().Add(time.Hour),
		KeyUsage:    x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	if authority == nil {
		authority, authorityKey = template, key
		if addresses == nil {
			template.IsCA, template.BasicConstraintsValid = true, true
			template.KeyUsage |= x509.KeyUsageCertSign
			template.ExtKeyUsage = nil
		}
	}
	raw, err := x509.CreateCertificate(rand.Reader, template, authority, &key.PublicKey, authorityKey)
	if err != nil {
		return nil, nil, err
	}
	certificate, err := x509.ParseCertificate(raw)
	return certificate, key, err
}
