// Package auth says who is asking and which tenant's data they may touch.
//
// A token is "clew_" and 43 characters of base64: 256 random bits, printed once
// when it is made. The state file keeps only its SHA-256. A salted, slow hash
// would add nothing: nobody can guess 256 random bits, and the hash costs less
// than a microsecond where bcrypt would let a flood of wrong tokens take the CPU.
//
//	no token was ever made    loopback only: tenant "default", or X-Scope-OrgID; all roles
//	a token was made          a token is needed from everywhere; it fixes the tenant
//
// Revoking the last token does not open the server again. X-Scope-OrgID may
// repeat the tenant of a token; naming another one is forbidden.
//
// Tokens live in an SQLite file (write-ahead log, synchronous=FULL) that several
// processes may open: the command line edits it while the server runs. The
// server keeps all tokens, at most [MaxTokens], in memory and looks at most every
// [Freshness] whether the file has changed, so that a revoked token is refused
// within a second and a flood of unknown tokens never reaches the disk. When the
// file cannot be read, nobody is let in.
//
// Any number of goroutines may call any method.
package auth
