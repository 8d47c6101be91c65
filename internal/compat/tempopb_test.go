package compat_test

import (
	"fmt"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/dynamicpb"

	_ "go.opentelemetry.io/proto/otlp/trace/v1" // registers the messages of OTLP
)

// messages are those of tempopb that clients of the data source use: fields by
// name, number and type. A type that begins with * is a list, one with map< a map
// of texts. They are read by the reflection of Google's library, which shares no
// line with the code under test.
var messages = map[string]string{
	"SearchRequest":             "Tags 1 map<string, MinDurationMs 2 uint32, MaxDurationMs 3 uint32, Limit 4 uint32, start 5 uint32, end 6 uint32, Query 8 string, SpansPerSpanSet 9 uint32",
	"SearchResponse":            "traces 1 *TraceSearchMetadata, metrics 2 SearchMetrics",
	"TraceSearchMetadata":       "traceID 1 string, rootServiceName 2 string, rootTraceName 3 string, startTimeUnixNano 4 uint64, durationMs 5 uint32, spanSet 6 SpanSet, spanSets 7 *SpanSet, serviceStats 8 map<ServiceStats",
	"ServiceStats":              "spanCount 1 uint32, errorCount 2 uint32",
	"SpanSet":                   "spans 1 *Span, matched 2 uint32, attributes 3 *KeyValue",
	"Span":                      "spanID 1 string, name 2 string, startTimeUnixNano 3 uint64, durationNanos 4 uint64, attributes 5 *KeyValue",
	"SearchMetrics":             "inspectedTraces 1 uint32, inspectedBytes 2 uint64, totalBlocks 3 uint32, completedJobs 4 uint32, totalJobs 5 uint32, totalBlockBytes 6 uint64, inspectedSpans 7 uint64",
	"SearchTagsRequest":         "scope 1 string, query 2 string, start 3 uint32, end 4 uint32, maxTagsPerScope 5 uint32, staleValuesThreshold 6 uint32",
	"SearchTagsResponse":        "tagNames 1 *string, metrics 2 MetadataMetrics",
	"SearchTagsV2Response":      "scopes 1 *SearchTagsV2Scope, metrics 2 MetadataMetrics",
	"SearchTagsV2Scope":         "name 1 string, tags 2 *string",
	"SearchTagValuesRequest":    "tagName 1 string, query 2 string, start 4 uint32, end 5 uint32, maxTagValues 6 uint32, staleValueThreshold 7 uint32",
	"SearchTagValuesResponse":   "tagValues 1 *string, metrics 2 MetadataMetrics",
	"TagValue":                  "type 1 string, value 2 string",
	"SearchTagValuesV2Response": "tagValues 1 *TagValue, metrics 2 MetadataMetrics",
	"MetadataMetrics":           "inspectedBytes 1 uint64, totalJobs 2 uint32, completedJobs 3 uint32, totalBlocks 4 uint32, totalBlockBytes 5 uint64",
	"TraceByIDResponse":         "trace 1 Trace, metrics 2 TraceByIDMetrics, status 3 PartialStatus, message 4 string",
	"TraceByIDMetrics":          "inspectedBytes 1 uint64",
	"Trace":                     "resourceSpans 1 *ResourceSpans",
	"QueryInstantRequest":       "query 1 string, start 2 uint64, end 3 uint64",
	"QueryInstantResponse":      "series 1 *InstantSeries, metrics 2 SearchMetrics, status 3 PartialStatus, message 4 string",
	"InstantSeries":             "labels 1 *KeyValue, value 2 double",
	"QueryRangeRequest":         "query 1 string, start 2 uint64, end 3 uint64, step 4 uint64, queryMode 7 string, exemplars 16 uint32, maxSeries 17 uint32",
	"QueryRangeResponse":        "series 1 *TimeSeries, metrics 2 SearchMetrics, status 3 PartialStatus, message 4 string",
	"TimeSeries":                "labels 1 *KeyValue, samples 2 *Sample, exemplars 4 *Exemplar",
	"Sample":                    "value 1 double, timestamp_ms 2 int64",
	"Exemplar":                  "labels 1 *KeyValue, value 2 double, timestamp_ms 3 int64",
}

// ofOTLP are messages that tempopb takes from OTLP.
var ofOTLP = map[string]string{
	"KeyValue": ".opentelemetry.proto.common.v1.KeyValue", "ResourceSpans": ".opentelemetry.proto.trace.v1.ResourceSpans",
}

var scalars = map[string]descriptorpb.FieldDescriptorProto_Type{
	"string": descriptorpb.FieldDescriptorProto_TYPE_STRING, "uint32": descriptorpb.FieldDescriptorProto_TYPE_UINT32,
	"uint64": descriptorpb.FieldDescriptorProto_TYPE_UINT64, "int64": descriptorpb.FieldDescriptorProto_TYPE_INT64,
	"double": descriptorpb.FieldDescriptorProto_TYPE_DOUBLE,
}

const partialStatusEnum = "PartialStatus"

func setType(f *descriptorpb.FieldDescriptorProto, typ string) {
	switch scalar, ok := scalars[typ]; {
	case ok:
		f.Type = &scalar
	case typ == partialStatusEnum:
		f.Type, f.TypeName = descriptorpb.FieldDescriptorProto_TYPE_ENUM.Enum(), proto.String(".tempopb."+typ)
	default:
		name := ofOTLP[typ]
		if name == "" {
			name = ".tempopb." + typ
		}
		f.Type, f.TypeName = descriptorpb.FieldDescriptorProto_TYPE_MESSAGE.Enum(), &name
	}
}

func fieldProto(name string, number int32, typ string) *descriptorpb.FieldDescriptorProto {
	f := &descriptorpb.FieldDescriptorProto{Name: &name, Number: &number, Label: descriptorpb.FieldDescriptorProto_LABEL_OPTIONAL.Enum()}
	if list, ok := strings.CutPrefix(typ, "*"); ok {
		f.Label, typ = descriptorpb.FieldDescriptorProto_LABEL_REPEATED.Enum(), list
	}
	setType(f, typ)
	return f
}

func messageProto(name, fields string) *descriptorpb.DescriptorProto {
	m := &descriptorpb.DescriptorProto{Name: &name}
	for spec := range strings.SplitSeq(fields, ", ") {
		var field, typ string
		var number int32
		if _, err := fmt.Sscanf(spec, "%s %d %s", &field, &number, &typ); err != nil {
			panic(spec)
		}
		if value, ok := strings.CutPrefix(typ, "map<"); ok {
			entry := strings.ToUpper(field[:1]) + field[1:] + "Entry"
			m.NestedType = append(m.NestedType, &descriptorpb.DescriptorProto{
				Name: &entry, Options: &descriptorpb.MessageOptions{MapEntry: proto.Bool(true)},
				Field: []*descriptorpb.FieldDescriptorProto{fieldProto("key", 1, "string"), fieldProto("value", 2, value)},
			})
			typ = "*" + name + "." + entry
		}
		m.Field = append(m.Field, fieldProto(field, number, typ))
	}
	return m
}

var tempopb = func() protoreflect.FileDescriptor {
	file := &descriptorpb.FileDescriptorProto{
		Name: proto.String("tempo.proto"), Package: proto.String("tempopb"), Syntax: proto.String("proto3"),
		Dependency: []string{"opentelemetry/proto/common/v1/common.proto", "opentelemetry/proto/trace/v1/trace.proto"},
		EnumType: []*descriptorpb.EnumDescriptorProto{{Name: proto.String(partialStatusEnum), Value: []*descriptorpb.EnumValueDescriptorProto{
			{Name: proto.String("COMPLETE"), Number: proto.Int32(0)}, {Name: proto.String("PARTIAL"), Number: proto.Int32(1)},
		}}},
	}
	for name, fields := range messages {
		file.MessageType = append(file.MessageType, messageProto(name, fields))
	}
	d, err := protodesc.NewFile(file, protoregistry.GlobalFiles)
	if err != nil {
		panic(err)
	}
	return d
}()

// newMessage gives an empty message of tempopb.
func newMessage(name string) *dynamicpb.Message {
	d := tempopb.Messages().ByName(protoreflect.Name(name))
	if d == nil {
		panic("no message " + name)
	}
	return dynamicpb.NewMessage(d)
}

// decode reads a message and refuses fields that tempopb does not have.
func decode(t *testing.T, name string, b []byte) *dynamicpb.Message {
	t.Helper()
	m := newMessage(name)
	if err := proto.Unmarshal(b, m); err != nil {
		t.Fatalf("%s: %v\n%x", name, err, b)
	}
	if unknown := unknownFields(m); unknown != "" {
		t.Errorf("%s has fields that tempopb does not have: %s", name, unknown)
	}
	return m
}

func unknownFields(m protoreflect.Message) string {
	found := ""
	if b := m.GetUnknown(); len(b) > 0 {
		found = fmt.Sprintf("%s: %x", m.Descriptor().Name(), []byte(b))
	}
	m.Range(func(f protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		switch {
		case f.IsMap():
			if f.MapValue().Message() != nil {
				v.Map().Range(func(_ protoreflect.MapKey, v protoreflect.Value) bool {
					found += unknownFields(v.Message())
					return true
				})
			}
		case f.Message() == nil:
		case f.IsList():
			for i := range v.List().Len() {
				found += unknownFields(v.List().Get(i).Message())
			}
		default:
			found += unknownFields(v.Message())
		}
		return true
	})
	return found
}
