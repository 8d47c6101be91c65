// Package segment writes and reads segments: immutable folders of Parquet files
// that hold the spans of one tenant and one time partition. It knows columns,
// not the lifetime of files: which segments there are, and when one goes, is the
// store's business. It has its own Parquet writer and reader, because it writes
// dictionary codes without making strings, chooses pages by what a look-up of
// one trace costs, and reads the rows of a trace without a query engine. Every
// file is Parquet for everybody else: DuckDB reads them for searches.
//
//	spans.parquet ───────────────┬─ parent_dist: rows up to the parent
//	  row = (trace, start, id)   │
//	  ▲ span      ▲ span         ├─ resource ─► resources.parquet, row number
//	  │           │              └─ scope ────► scopes.parquet, row number
//	events.parquet links.parquet
//	                             rest.parquet: (tbl, row, col) of rare columns
//	traces.filter: Bloom filter of the trace ids
//
// A frequent attribute is an optional column with an opaque name, s17_i: the
// letter of its scope, its number in Meta.Columns, the letter of its type. The
// key is in Meta alone. The page docs/format/segment.md draws every column and
// gives the SQL that puts a row together again.
//
// One Parquet file, in the order of its bytes:
//
//	PAR1
//	column chunks, those of up to four row groups column by column:
//	    [dictionary page] data page, data page …      page = header, body
//	column index of the sorted column, offset index of every column
//	CRC-32C of every page, four bytes each            ┐
//	FileMetaData, its length, PAR1                    ┘ all behind the chunks is the tail
//
// Nothing is believed before its checksum: Meta, which the manifest keeps, has
// one for the tail and one for each chunk; the tail has one for each page. Reads
// of this package check the tail and the pages that they use; Verify checks the
// chunks that DuckDB is going to use.
//
// Write and Merge sort, drop records that are there twice, mark different
// records under one id, and turn parents into distances. They may run beside
// each other; each uses one goroutine. A Segment and a Cache may be used by any
// number of goroutines.
package segment
