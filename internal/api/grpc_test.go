package api_test

import (
	"context"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/emptypb"

	"github.com/clew-dev/clew/internal/api"
	"github.com/clew-dev/clew/internal/api/apitest"
	"github.com/clew-dev/clew/internal/auth"
	"github.com/clew-dev/clew/internal/rpc"
)

// TestErrorsOverGRPC: who may not ask is told so in the words of gRPC, on the port
// of the page; an answer over the size from which others are compressed is not.
func TestErrorsOverGRPC(t *testing.T) {
	o := options(t, apitest.Seed())
	state := openAuth(t)
	_, reader, err := state.Create(context.Background(), auth.NewToken{Tenant: "default", Name: "reader", Roles: []auth.Role{auth.RoleRead}})
	if err != nil {
		t.Fatal(err)
	}
	_, writer, err := state.Create(context.Background(), auth.NewToken{Tenant: "default", Name: "writer", Roles: []auth.Role{auth.RoleWrite}})
	if err != nil {
		t.Fatal(err)
	}
	o.Auth = state
	field := append([]byte{1<<3 | 2, 0x80 | 0x50, 0x1f}, strings.Repeat("x", 0x1f<<7|0x50)...)
	o.Mount = map[string]http.Handler{"/x.Y/": http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/x.Y/Panic" {
			panic("broken")
		}
		w.Header().Set("Content-Type", rpc.ContentType)
		rpc.Done(w.Header())
		w.Write(rpc.Append(nil, field))
	})}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := api.NewHTTP(api.New(o), slog.New(slog.DiscardHandler))
	go server.Serve(l)
	defer server.Close()
	conn, err := grpc.NewClient("passthrough:"+l.Addr().String(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	for _, tt := range []struct {
		method, token string
		code          codes.Code
		says          string
	}{
		{"Get", reader, codes.OK, ""},
		{"Get", "", codes.Unauthenticated, "a token is needed"},
		{"Get", writer, codes.PermissionDenied, `"writer" does not have the role read`},
		{"Panic", reader, codes.Internal, "its log says what, under the id"},
	} {
		ctx := metadata.AppendToOutgoingContext(t.Context(), "accept-encoding", "gzip")
		if tt.token != "" {
			ctx = metadata.AppendToOutgoingContext(ctx, "authorization", "Bearer "+tt.token)
		}
		err := conn.Invoke(ctx, "/x.Y/"+tt.method, &emptypb.Empty{}, &emptypb.Empty{})
		if st := status.Convert(err); st.Code() != tt.code || !strings.Contains(st.Message(), tt.says) {
			t.Errorf("%s: %v", tt.method, err)
		}
	}
}
