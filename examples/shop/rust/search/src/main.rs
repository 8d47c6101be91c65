//! Search finds products by words: it speaks HTTP, turns what a customer typed
//! into terms, and asks the catalogue over gRPC.
//!
//! `GET /search?q=WORDS` → 200 `[{"sku","name","price_cents"}]`, the best first.

use std::process::ExitCode;

use axum::Router;
use axum::extract::{Query, State};
use axum::routing::get;
use fleet::grpc::Channel;
use fleet::http::{Answer, refusal};
use fleet::words::catalog_client::CatalogClient;
use fleet::words::{FindRequest, Product};
use fleet::{Failure, grpc, http, process, telemetry};
use serde::Deserialize;
use serde_json::json;
use tonic::Code;
use tracing::{Span, info_span};

/// The catalogue takes no more.
const MAX_TERMS: usize = 8;

/// Words that customers use for others.
const SYNONYMS: [(&str, &str); 4] =
    [("string", "thread"), ("flax", "linen"), ("coat", "jacket"), ("pillow", "cushion")];

#[derive(Deserialize)]
struct Asked {
    q: String,
}

async fn search(
    State(catalog): State<CatalogClient<Channel>>,
    Query(asked): Query<Asked>,
) -> Answer {
    let terms = info_span!("split words").in_scope(|| terms(&asked.q));
    if terms.is_empty() {
        return refusal(axum::http::StatusCode::BAD_REQUEST, "q has no words");
    }
    let request = FindRequest { terms: terms.clone() };
    match catalog.clone().find(request).await {
        Ok(found) => {
            let ranked = rank(found.into_inner().products, &terms);
            Answer { status: axum::http::StatusCode::OK, body: ranked.iter().map(page).collect() }
        }
        Err(status) if status.code() == Code::InvalidArgument => {
            refusal(axum::http::StatusCode::BAD_REQUEST, status.message())
        }
        Err(status) => {
            telemetry::fail(&Span::current(), "tonic::Status", &status);
            refusal(axum::http::StatusCode::BAD_GATEWAY, status)
        }
    }
}

/// Lower case, without doubles, each followed by its synonym.
fn terms(asked: &str) -> Vec<String> {
    let mut terms: Vec<String> = Vec::new();
    for word in asked.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()) {
        let word = word.to_lowercase();
        let synonym =
            SYNONYMS.iter().find(|(from, _)| *from == word).map(|(_, to)| (*to).to_owned());
        for term in [Some(word), synonym].into_iter().flatten() {
            if !terms.contains(&term) && terms.len() < MAX_TERMS {
                terms.push(term);
            }
        }
    }
    terms
}

/// Products with more of the terms come first, else cheaper ones.
fn rank(mut products: Vec<Product>, terms: &[String]) -> Vec<Product> {
    let hits = |product: &Product| terms.iter().filter(|term| product.name.contains(*term)).count();
    products.sort_by_key(|product| (std::cmp::Reverse(hits(product)), product.price_cents));
    products
}

fn page(product: &Product) -> serde_json::Value {
    json!({ "sku": product.sku, "name": product.name, "price_cents": product.price_cents })
}

fn main() -> ExitCode {
    process::run("search", serve())
}

async fn serve() -> Result<(), Failure> {
    let catalog = CatalogClient::new(grpc::channel("catalog")?);
    http::serve("search", Router::new().route("/search", get(search)).with_state(catalog)).await
}

#[cfg(test)]
mod tests {
    use super::*;

    fn product(name: &str, price_cents: i64) -> Product {
        Product { name: name.to_owned(), price_cents, ..Product::default() }
    }

    #[test]
    fn words_are_lowered_and_taken_once() {
        assert_eq!(terms("Linen, linen SCARF!"), ["linen", "scarf"]);
    }

    #[test]
    fn a_synonym_follows_its_word() {
        assert_eq!(terms("flax coat"), ["flax", "linen", "coat", "jacket"]);
    }

    #[test]
    fn a_long_sentence_is_cut_to_what_the_catalogue_takes() {
        assert_eq!(terms("a b c d e f g h i j").len(), MAX_TERMS);
    }

    #[test]
    fn more_words_win_over_a_lower_price() {
        let found = vec![product("wool hat", 1), product("linen hat", 9), product("linen cord", 2)];
        let names: Vec<_> = rank(found, &terms("linen hat")).into_iter().map(|p| p.name).collect();
        assert_eq!(names, ["linen hat", "wool hat", "linen cord"]);
    }
}
