package logcase

import "time"

// epoch is the time at which a case's policy is applied.
var epoch = time.Unix(0, 0)

// tree is an error with several causes, as errors.Join makes.
type tree struct {
	text   string
	causes []error
}

func (t *tree) Error() string   { return t.text }
func (t *tree) Unwrap() []error { return t.causes }

// link is an error with one cause, as fmt.Errorf makes.
type link struct {
	text  string
	cause error
}

func (l *link) Error() string { return l.text }
func (l *link) Unwrap() error { return l.cause }

// failure is the error that a case describes.
func failure(v map[string]any) error {
	causes, _ := v["causes"].([]any)
	if len(causes) == 1 {
		return &link{plain(v["text"]), failure(causes[0].(map[string]any))}
	}
	t := &tree{text: plain(v["text"])}
	for _, cause := range causes {
		t.causes = append(t.causes, failure(cause.(map[string]any)))
	}
	return t
}
