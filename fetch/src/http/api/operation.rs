//! What one method of one path does.

use std::collections::BTreeSet;

use nudge_proto::ErrorCode;
use utoipa::{
    ToSchema,
    openapi::{
        ContentBuilder, KnownFormat, ObjectBuilder, RefOr, Required, Response, ResponseBuilder,
        Schema, SchemaFormat, Type,
        header::HeaderBuilder,
        path::{Parameter, ParameterBuilder, ParameterIn},
        request_body::{RequestBody, RequestBodyBuilder},
    },
};

use crate::http::extract::{JSON, PROTOBUF};

/// What one method of one path does.
#[derive(Default)]
pub(in crate::http) struct Operation {
    pub(super) summary: &'static str,
    pub(super) is_public: bool,
    pub(super) parameters: Vec<Parameter>,
    pub(super) body: Option<RequestBody>,
    pub(super) answers: Vec<(u16, Response)>,
    /// Ordered by their text.
    pub(super) codes: BTreeSet<&'static str>,
    pub(super) schemas: Schemas,
}

pub(super) type Schemas = Vec<(String, RefOr<Schema>)>;

/// An operation for who has an access token.
pub(in crate::http) fn does(summary: &'static str) -> Operation {
    let operation = Operation { summary, ..Operation::default() };
    operation.refuses(&[
        ErrorCode::AccessTokenExpired,
        ErrorCode::AccessTokenInvalid,
        ErrorCode::DeviceRevoked,
    ])
}

/// An operation for everybody.
pub(in crate::http) fn does_for_all(summary: &'static str) -> Operation {
    Operation { summary, is_public: true, ..Operation::default() }
}

impl Operation {
    /// Takes a body, as JSON or protobuf.
    pub(in crate::http) fn takes<T: ToSchema>(mut self) -> Self {
        let schema = self.schema::<T>();
        let content = |schema| ContentBuilder::new().schema(Some(schema)).build();
        let body = RequestBodyBuilder::new()
            .required(Some(Required::True))
            .content(JSON, content(schema.clone()))
            .content(PROTOBUF, content(schema));
        self.body = Some(body.build());
        self.refuses(&[
            ErrorCode::ContentTypeUnsupported,
            ErrorCode::InvalidRequest,
            ErrorCode::RequestTooLarge,
        ])
    }

    /// Takes bytes of a medium.
    pub(in crate::http) fn takes_bytes(mut self, content_type: &str, required: Required) -> Self {
        let body =
            RequestBodyBuilder::new().required(Some(required)).content(content_type, bytes());
        self.body = Some(body.build());
        self
    }

    /// Takes a header.
    pub(in crate::http) fn takes_header(
        mut self,
        name: &str,
        required: Required,
        what: &str,
    ) -> Self {
        self.add_header(name, required, what);
        self
    }

    pub(in crate::http) fn add_header(&mut self, name: &str, required: Required, what: &str) {
        self.parameters.push(parameter(ParameterIn::Header, name, required, what, text()));
    }

    /// Takes a query parameter, which may be left out.
    pub(in crate::http) fn takes_query(mut self, name: &str, kind: Type, what: &str) -> Self {
        let schema = ObjectBuilder::new().schema_type(kind).into();
        let parameter = parameter(ParameterIn::Query, name, Required::False, what, schema);
        self.parameters.push(parameter);
        self.refuses(&[ErrorCode::InvalidRequest])
    }

    /// Answers with a body, as JSON or protobuf.
    pub(in crate::http) fn answers<T: ToSchema>(mut self, status: u16, what: &str) -> Self {
        let schema = self.schema::<T>();
        let content = |schema| ContentBuilder::new().schema(Some(schema)).build();
        let response = ResponseBuilder::new()
            .description(what)
            .content(JSON, content(schema.clone()))
            .content(PROTOBUF, content(schema));
        self.answers.push((status, response.build()));
        self
    }

    /// Answers with bytes of a medium.
    pub(in crate::http) fn answers_bytes(mut self, status: u16, what: &str) -> Self {
        let response = ResponseBuilder::new()
            .description(what)
            .content("application/octet-stream", bytes())
            .build();
        self.answers.push((status, response));
        self
    }

    /// Answers with text of some other type.
    pub(in crate::http) fn answers_text(mut self, content_type: &str, what: &str) -> Self {
        let content = ContentBuilder::new().schema(Some(text())).build();
        let response = ResponseBuilder::new().description(what).content(content_type, content);
        self.answers.push((200, response.build()));
        self
    }

    /// Answers without a body.
    pub(in crate::http) fn answers_nothing(mut self, status: u16, what: &str) -> Self {
        self.answers.push((status, Response::new(what)));
        self
    }

    /// Does it, and that is all there is to say.
    pub(in crate::http) fn gives_nothing(self) -> Self {
        self.answers_nothing(204, "Done.")
    }

    /// Says in other words what it does.
    pub(in crate::http) fn about(self, summary: &'static str) -> Self {
        Self { summary, ..self }
    }

    /// Says something in a header of the answers so far.
    pub(in crate::http) fn says(mut self, name: &str, what: &str) -> Self {
        for (_, response) in &mut self.answers {
            let header = HeaderBuilder::new().schema(Some(text())).description(Some(what)).build();
            response.headers.insert(name.to_owned(), RefOr::T(header));
        }
        self
    }

    /// Refuses under these codes.
    pub(in crate::http) fn refuses(mut self, codes: &[ErrorCode]) -> Self {
        self.add_refusals(codes);
        self
    }

    pub(in crate::http) fn add_refusals(&mut self, codes: &[ErrorCode]) {
        self.codes.extend(codes.iter().map(|code| code.as_str()));
    }

    fn schema<T: ToSchema>(&mut self) -> RefOr<Schema> {
        let name = T::name().into_owned();
        T::schemas(&mut self.schemas);
        self.schemas.push((name.clone(), T::schema()));
        RefOr::Ref(utoipa::openapi::Ref::from_schema_name(name))
    }
}

pub(super) fn parameter(
    at: ParameterIn,
    name: &str,
    required: Required,
    what: &str,
    schema: RefOr<Schema>,
) -> Parameter {
    let parameter =
        ParameterBuilder::new().name(name).parameter_in(at).required(required).schema(Some(schema));
    parameter.description(Some(what).filter(|what| !what.is_empty())).build()
}

/// The schema of plain text.
pub(super) fn text() -> RefOr<Schema> {
    ObjectBuilder::new().schema_type(Type::String).into()
}

fn bytes() -> utoipa::openapi::Content {
    let schema = ObjectBuilder::new()
        .schema_type(Type::String)
        .format(Some(SchemaFormat::KnownFormat(KnownFormat::Binary)));
    ContentBuilder::new().schema(Some(schema)).build()
}
