//! What is the same for all requests of a route, made once.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::{Arc, OnceLock, PoisonError, RwLock};

use super::meters;
use super::words::{self, METHODS, Verb};

/// How many routes are remembered: the contract's 2,000 series. What is over is made anew each time.
const MAX_ROUTES: usize = 2_000;

/// A route of HTTP, or a method of gRPC.
pub(super) struct Route {
    pub text: Box<str>,
    pub excluded: bool,
    names: [OnceLock<Cow<'static, str>>; METHODS],
    pub(super) meters: meters::OfRoute,
}

impl Route {
    /// Requests whose route or method is not known.
    pub(super) fn other() -> &'static Arc<Route> {
        static OTHER: OnceLock<Arc<Route>> = OnceLock::new();
        OTHER.get_or_init(|| Arc::new(Route::new("_OTHER", &[])))
    }

    /// Requests that have no route, as a client's.
    pub(super) fn none() -> &'static Arc<Route> {
        static NONE: OnceLock<Arc<Route>> = OnceLock::new();
        NONE.get_or_init(|| Arc::new(Route::new("", &[])))
    }

    pub(super) fn new(text: &str, excluded: &[Cow<'static, str>]) -> Route {
        Route {
            text: text.into(),
            excluded: !text.is_empty() && words::matches_any(excluded, text),
            names: [const { OnceLock::new() }; METHODS],
            meters: meters::OfRoute::default(),
        }
    }

    /// `METHOD route`, or the method alone.
    pub(super) fn name(&self, verb: Verb) -> &str {
        self.names[verb.index()].get_or_init(|| words::name(verb, &self.text))
    }
}

/// The routes that were seen.
#[derive(Default)]
pub(super) struct Routes {
    known: RwLock<HashMap<Box<str>, Arc<Route>>>,
}

impl Routes {
    pub(super) fn find(&self, text: &str) -> Option<Arc<Route>> {
        self.known.read().unwrap_or_else(PoisonError::into_inner).get(text).cloned()
    }

    /// The route of `text`, remembered when there is room. Texts must come from a router, not from a peer.
    pub(super) fn get(&self, text: &str, excluded: &[Cow<'static, str>]) -> Arc<Route> {
        if let Some(route) = self.find(text) {
            return route;
        }
        self.learn(&Arc::new(Route::new(text, excluded)))
    }

    /// Remembers a route when there is room, and returns the one that is known under its text.
    pub(super) fn learn(&self, route: &Arc<Route>) -> Arc<Route> {
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        if known.len() < MAX_ROUTES {
            return known.entry(route.text.clone()).or_insert_with(|| route.clone()).clone();
        }
        known.get(&route.text).unwrap_or(route).clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn routes_over_the_limit_are_served_but_not_remembered() {
        let routes = Routes::default();
        for number in 0..MAX_ROUTES {
            routes.get(&format!("/{number}"), &[]);
        }
        assert!(routes.find("/1999").is_some());
        assert_eq!(routes.get("/one-more", &[]).name(Verb::of(&::http::Method::GET)), "GET /one-more");
        assert!(routes.find("/one-more").is_none());
        assert!(Arc::ptr_eq(&routes.get("/7", &[]), &routes.get("/7", &[])));
    }

    #[test]
    fn an_excluded_pattern_does_not_exclude_requests_without_a_route() {
        assert!(Route::new("/healthz", &["/health*".into()]).excluded);
        assert!(!Route::new("", &["*".into()]).excluded);
    }
}
