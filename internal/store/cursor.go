package store

import (
	"encoding/base64"
	"encoding/json"
	"hash/fnv"
	"strconv"

	"github.com/clew-dev/clew/internal/query"
	"github.com/clew-dev/clew/internal/telemetry"
)

// cursor is the place between two pages of a search. It pins nothing: it says
// where the page before ended and what the whole answer may see.
type cursor struct {
	Query   uint64     `json:"q"` // of everything that makes the answer
	Start   int64      `json:"f"` // the range of the first page, where that of the request moves with the clock
	End     int64      `json:"t"`
	MaxSeq  int64      `json:"s"` // rows received later are invisible
	Expired int64      `json:"x"` // what had expired when the first page was made
	After   *searchKey `json:"a"`
}

func (c cursor) String() string {
	b, err := json.Marshal(c)
	if err != nil {
		panic(err) // numbers and bytes always marshal
	}
	return base64.RawURLEncoding.EncodeToString(b)
}

// parse reads a cursor that belongs to the query whose hash c has.
func (c *cursor) parse(text string) error {
	want := c.Query
	b, err := base64.RawURLEncoding.DecodeString(text)
	if err == nil {
		err = json.Unmarshal(b, c)
	}
	if err != nil || c.After == nil {
		return telemetry.Errorf(telemetry.KindInvalid, "the cursor cannot be read: send it as it was answered, or none for the first page")
	}
	if c.Query != want {
		return telemetry.Errorf(telemetry.KindInvalid, "the cursor belongs to another query, order, range or tenant: repeat those of the first page")
	}
	return nil
}

func queryHash(tenant string, p *query.Plan, o SearchOptions) uint64 {
	h := fnv.New64a()
	within := o.RangeText
	if within == "" {
		within = strconv.FormatInt(o.Start, 10) + " " + strconv.FormatInt(o.End, 10)
	}
	for _, part := range []string{tenant, p.Text, string(o.Order), within} {
		h.Write([]byte(part))
		h.Write([]byte{0})
	}
	return h.Sum64()
}
