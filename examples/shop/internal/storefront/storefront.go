// Package storefront is the service behind the shop's pages: it speaks HTTP to
// the gateway and gathers what a page needs from the others.
//
//	GET  /products?page=N     a page of products           → catalog
//	GET  /products/{sku}      one product and its stock    → catalog, inventory
//	GET  /search?q=WORDS      products by words            → search
//	GET  /cart?session=S      the cart                     → cart
//	POST /cart                put an article in            → catalog, cart
//	POST /orders              buy the cart                 → checkout
//	GET  /customers/{id}      a customer and their orders  → account
package storefront

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/clew-dev/clew/examples/shop/internal/fleet"
	"github.com/clew-dev/clew/examples/shop/internal/shoppb"
)

type service struct {
	catalog         shoppb.CatalogClient
	inventory       shoppb.InventoryClient
	cart            shoppb.CartClient
	search          *fleet.Client
	forgetfulSearch *fleet.Client
	checkout        *fleet.Client
	account         *fleet.Client
}

// Serve runs the service until ctx ends.
func Serve(ctx context.Context) error {
	catalog, err := fleet.Dial("catalog")
	if err != nil {
		return err
	}
	defer catalog.Close()
	inventory, err := fleet.Dial("inventory")
	if err != nil {
		return err
	}
	defer inventory.Close()
	cart, err := fleet.Dial("cart")
	if err != nil {
		return err
	}
	defer cart.Close()
	s := &service{
		catalog:   shoppb.NewCatalogClient(catalog),
		inventory: shoppb.NewInventoryClient(inventory),
		cart:      shoppb.NewCartClient(cart),
	}
	if s.search, err = fleet.NewClient("search"); err != nil {
		return err
	}
	if s.forgetfulSearch, err = fleet.NewForgetfulClient("search"); err != nil {
		return err
	}
	if s.checkout, err = fleet.NewClient("checkout"); err != nil {
		return err
	}
	if s.account, err = fleet.NewClient("account"); err != nil {
		return err
	}
	mux := http.NewServeMux()
	fleet.Handle(mux, "GET /products", s.browse)
	fleet.Handle(mux, "GET /products/{sku}", s.product)
	fleet.Handle(mux, "GET /search", s.find)
	fleet.Handle(mux, "GET /cart", s.readCart)
	fleet.Handle(mux, "POST /cart", s.fillCart)
	fleet.Handle(mux, "POST /orders", s.order)
	fleet.Handle(mux, "GET /customers/{id}", s.customer)
	return fleet.ServeHTTP(ctx, "storefront", mux)
}

// product is how the pages see an article.
type product struct {
	SKU        string `json:"sku"`
	Name       string `json:"name"`
	PriceCents int64  `json:"price_cents"`
	Stock      int64  `json:"stock,omitempty"`
}

func (s *service) browse(w http.ResponseWriter, r *http.Request) error {
	page, err := strconv.ParseUint(r.URL.Query().Get("page"), 10, 16)
	if err != nil {
		return &fleet.Problem{Status: http.StatusBadRequest, Text: "page is not a number from 0 on"}
	}
	list, err := s.catalog.List(r.Context(), &shoppb.ListRequest{Page: uint32(page)})
	if err != nil {
		return fmt.Errorf("list products: %w", err)
	}
	products := make([]product, 0, len(list.GetProducts()))
	for _, item := range list.GetProducts() {
		products = append(products, product{SKU: item.GetSku(), Name: item.GetName(), PriceCents: item.GetPriceCents()})
	}
	fleet.Answer(w, http.StatusOK, products)
	return nil
}

func (s *service) product(w http.ResponseWriter, r *http.Request) error {
	sku := r.PathValue("sku")
	item, err := s.catalog.Get(r.Context(), &shoppb.GetRequest{Sku: sku})
	if err != nil {
		return fmt.Errorf("read the product: %w", err)
	}
	stock, err := s.inventory.Stock(r.Context(), &shoppb.StockRequest{Sku: sku})
	if err != nil {
		return fmt.Errorf("read the stock: %w", err)
	}
	fleet.Answer(w, http.StatusOK, product{
		SKU: sku, Name: item.GetName(), PriceCents: item.GetPriceCents(), Stock: stock.GetUnits(),
	})
	return nil
}

func (s *service) find(w http.ResponseWriter, r *http.Request) error {
	client := s.search
	if fleet.FaultOn(fleet.LostContext) {
		client = s.forgetfulSearch
	}
	path := "/search?q=" + url.QueryEscape(r.URL.Query().Get("q"))
	return pass(w, http.StatusOK, func(answer *json.RawMessage) error {
		return client.Call(r.Context(), http.MethodGet, path, nil, 0, answer)
	})
}

func (s *service) readCart(w http.ResponseWriter, r *http.Request) error {
	contents, err := s.cart.Read(r.Context(), &shoppb.CartRequest{Session: r.URL.Query().Get("session")})
	if err != nil {
		return fmt.Errorf("read the cart: %w", err)
	}
	answerCart(w, contents)
	return nil
}

// maxBodyBytes bounds a request's body.
const maxBodyBytes = 1 << 16

func (s *service) fillCart(w http.ResponseWriter, r *http.Request) error {
	var choice struct {
		Session string `json:"session"`
		SKU     string `json:"sku"`
		Units   uint32 `json:"units"`
	}
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxBodyBytes)).Decode(&choice); err != nil {
		return &fleet.Problem{Status: http.StatusBadRequest, Text: "the body is not a choice: " + err.Error()}
	}
	item, err := s.catalog.Get(r.Context(), &shoppb.GetRequest{Sku: choice.SKU})
	if err != nil {
		return fmt.Errorf("read the product: %w", err)
	}
	contents, err := s.cart.Add(r.Context(), &shoppb.AddRequest{
		Session: choice.Session,
		Line:    &shoppb.Line{Sku: choice.SKU, Units: choice.Units, PriceCents: item.GetPriceCents()},
	})
	if err != nil {
		return fmt.Errorf("fill the cart: %w", err)
	}
	answerCart(w, contents)
	return nil
}

func answerCart(w http.ResponseWriter, contents *shoppb.CartContents) {
	type line struct {
		SKU        string `json:"sku"`
		Units      uint32 `json:"units"`
		PriceCents int64  `json:"price_cents"`
	}
	lines := make([]line, 0, len(contents.GetLines()))
	for _, item := range contents.GetLines() {
		lines = append(lines, line{SKU: item.GetSku(), Units: item.GetUnits(), PriceCents: item.GetPriceCents()})
	}
	fleet.Answer(w, http.StatusOK, lines)
}

func (s *service) order(w http.ResponseWriter, r *http.Request) error {
	var body bytes.Buffer
	if _, err := body.ReadFrom(http.MaxBytesReader(w, r.Body, maxBodyBytes)); err != nil {
		return &fleet.Problem{Status: http.StatusBadRequest, Text: "the body cannot be read: " + err.Error()}
	}
	return pass(w, http.StatusCreated, func(answer *json.RawMessage) error {
		return s.checkout.Call(r.Context(), http.MethodPost, "/orders", &body, 0, answer)
	})
}

func (s *service) customer(w http.ResponseWriter, r *http.Request) error {
	path := "/customers/" + url.PathEscape(r.PathValue("id"))
	return pass(w, http.StatusOK, func(answer *json.RawMessage) error {
		return retry(r.Context(), func(attempt int) error {
			return s.account.Call(r.Context(), http.MethodGet, path, nil, attempt, answer)
		})
	})
}

// pass answers with what another member answered.
func pass(w http.ResponseWriter, success int, call func(*json.RawMessage) error) error {
	var answer json.RawMessage
	if err := call(&answer); err != nil {
		return err
	}
	fleet.Answer(w, success, answer)
	return nil
}

// retry calls again after a failure of the other side: once, after a pause. The
// fault retry-storm makes it impatient.
func retry(ctx context.Context, call func(attempt int) error) error {
	attempts, wait := 2, 50*time.Millisecond
	if fleet.FaultOn(fleet.RetryStorm) {
		attempts, wait = 4, 0
	}
	for attempt := 0; ; attempt++ {
		err := call(attempt)
		var problem *fleet.Problem
		if !errors.As(err, &problem) || problem.Status < http.StatusInternalServerError || attempt+1 == attempts {
			return err
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(wait):
		}
	}
}
