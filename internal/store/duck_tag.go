//go:build !duckdb_arrow

package store

// Fresh rows reach DuckDB as Arrow views, which its Go driver has behind a build
// tag only. Without the tag this name is undefined on purpose, so that the
// compiler says what is missing.
var _ = build_clew_with_tags_duckdb_arrow
