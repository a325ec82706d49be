//! Routes that say what they are: each is declared once, and from that one declaration come the router
//! and the OpenAPI document. What is not in the document is not there.

mod document;
mod operation;

use axum::{
    Router,
    handler::Handler,
    routing::{MethodFilter, MethodRouter, on},
};
use utoipa::openapi::{HttpMethod, OpenApi};

use super::App;
pub(super) use operation::{Operation, does, does_for_all};

use document::Document;

/// Routes, and their description.
#[derive(Default)]
pub(super) struct Api {
    router: Router<App>,
    document: Document,
}

impl Api {
    /// The routes of one path.
    pub(super) fn path(mut self, path: &'static str, methods: Methods) -> Self {
        for (method, operation) in methods.operations {
            self.document.add(path, method, operation);
        }
        self.router = self.router.route(path, methods.router);
        self
    }

    /// Puts something around the routes so far, and describes what it does to each.
    pub(super) fn around(
        mut self,
        wrap: impl FnOnce(Router<App>) -> Router<App>,
        describe: impl Fn(&mut Operation),
    ) -> Self {
        self.router = wrap(self.router);
        self.document.for_each(describe);
        self
    }

    /// Both together.
    pub(super) fn merge(mut self, other: Self) -> Self {
        self.router = self.router.merge(other.router);
        self.document.merge(other.document);
        self
    }

    /// The two halves.
    pub(super) fn split(self) -> (Router<App>, OpenApi) {
        (self.router, self.document.finish())
    }
}

/// The methods of one path.
#[derive(Default)]
pub(super) struct Methods {
    router: MethodRouter<App>,
    operations: Vec<(HttpMethod, Operation)>,
}

macro_rules! methods {
    ($($name:ident, $filter:ident, $method:ident;)*) => {
        impl Methods {$(
            pub(super) fn $name<H, T>(self, handler: H, operation: Operation) -> Self
            where
                H: Handler<T, App>,
                T: 'static,
            {
                self.add(MethodFilter::$filter, HttpMethod::$method, handler, operation)
            }
        )*}
    };
}

methods! {
    get, GET, Get;
    head, HEAD, Head;
    post, POST, Post;
    put, PUT, Put;
    patch, PATCH, Patch;
    delete, DELETE, Delete;
}

macro_rules! firsts {
    ($($name:ident,)*) => {$(
        pub(super) fn $name<H, T>(handler: H, operation: Operation) -> Methods
        where
            H: Handler<T, App>,
            T: 'static,
        {
            Methods::default().$name(handler, operation)
        }
    )*};
}

firsts! { get, post, put, patch, delete, }

impl Methods {
    fn add<H, T>(
        mut self,
        filter: MethodFilter,
        method: HttpMethod,
        handler: H,
        operation: Operation,
    ) -> Self
    where
        H: Handler<T, App>,
        T: 'static,
    {
        self.router = self.router.merge(on(filter, handler));
        self.operations.push((method, operation));
        self
    }
}
