package clew_test

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"net/http"

	clew "github.com/clew-dev/clew/kit/go"
)

func ExampleKit_HTTP() {
	k := clew.Start(context.Background(), clew.Service("orders", "1.4.2"))
	defer k.Stop(context.Background())

	mux := http.NewServeMux()
	mux.HandleFunc("POST /orders/{id}", func(w http.ResponseWriter, r *http.Request) {
		_, span := clew.Span(r.Context(), "reserve", clew.Int("items", 3))
		defer span.End()
		w.WriteHeader(http.StatusCreated)
	})
	server := &http.Server{Addr: ":8080", Handler: k.HTTP(mux)}
	_ = server.ListenAndServe()
}

func ExampleKit_Transport() {
	k := clew.Start(context.Background(), clew.Service("orders", "1.4.2"))
	defer k.Stop(context.Background())

	client := &http.Client{Transport: k.Transport(nil, clew.WithoutPropagation("api.partner.example"))}
	_, _ = client.Get("http://stock:8080/items/7")
}

// Routers other than http.ServeMux tell the route through a function; this one is chi's:
//
//	clew.Route(func(r *http.Request) string {
//		var c chi.Context
//		if routes.Match(&c, r.Method, r.URL.Path) {
//			return c.RoutePattern()
//		}
//		return ""
//	})
func ExampleRoute() {
	var router http.Handler
	var find func(method, path string) (pattern string)
	var k *clew.Kit
	_ = k.HTTP(router, clew.Route(func(r *http.Request) string { return find(r.Method, r.URL.Path) }))
}

func ExampleSQL() {
	var connector driver.Connector
	db := sql.OpenDB(clew.SQL(connector, clew.SQLNamespace("shop"), clew.SQLServer("db.internal", 5432)))
	defer db.Close()
	defer clew.SQLPool(db, "shop")()
}

func ExampleDetach() {
	send := func(context.Context) {}
	var request *http.Request
	// The mail is sent whether or not the request lasts; its trace links to the request's.
	clew.Detach(request.Context(), "email", send)
}
