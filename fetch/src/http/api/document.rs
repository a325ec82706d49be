//! The OpenAPI document.

use std::collections::BTreeMap;

use nudge_proto::{ErrorCode, pb::content::Problem};
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{
        ComponentsBuilder, ContentBuilder, HttpMethod, InfoBuilder, KnownFormat, ObjectBuilder,
        OpenApi, OpenApiBuilder, Paths, Ref, RefOr, Required, Response, ResponseBuilder, Schema,
        SchemaFormat, Type,
        path::{OperationBuilder, Parameter, ParameterIn},
        security::{HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme},
    },
};

use super::operation::{Operation, parameter, text};
use crate::http::{error::PROBLEM_JSON, extract::PROTOBUF};

/// All operations so far.
#[derive(Default)]
pub(super) struct Document(Vec<(&'static str, HttpMethod, Operation)>);

impl Document {
    pub(super) fn add(&mut self, path: &'static str, method: HttpMethod, operation: Operation) {
        self.0.push((path, method, operation));
    }

    pub(super) fn for_each(&mut self, change: impl Fn(&mut Operation)) {
        self.0.iter_mut().for_each(|(.., operation)| change(operation));
    }

    pub(super) fn merge(&mut self, other: Self) {
        self.0.extend(other.0);
    }

    pub(super) fn finish(self) -> OpenApi {
        let mut schemas: BTreeMap<String, RefOr<Schema>> = BTreeMap::new();
        schemas.insert(Problem::name().into_owned(), Problem::schema());
        let mut paths = Paths::new();
        for (path, method, mut operation) in self.0 {
            schemas.extend(operation.schemas.drain(..));
            let described = describe(path, &method, operation);
            paths.add_path_operation(path, vec![method], described);
        }
        let bearer = HttpBuilder::new()
            .scheme(HttpAuthScheme::Bearer)
            .bearer_format("JWT")
            .description(Some("The access token of POST /v1/sessions; it lives for ten minutes."))
            .build();
        let components = ComponentsBuilder::new()
            .schemas_from_iter(schemas)
            .security_scheme(BEARER, SecurityScheme::Http(bearer))
            .build();
        let info = InfoBuilder::new()
            .title("Nudge")
            .version(env!("CARGO_PKG_VERSION"))
            .description(Some(ABOUT))
            .build();
        OpenApiBuilder::new().info(info).paths(paths).components(Some(components)).build()
    }
}

fn describe(
    path: &str,
    method: &HttpMethod,
    operation: Operation,
) -> utoipa::openapi::path::Operation {
    let mut codes: Vec<ErrorCode> =
        operation.codes.iter().filter_map(|code| code.parse().ok()).collect();
    let path_parameters: Vec<_> = path_parameters(path).collect();
    if !path_parameters.is_empty() && !codes.contains(&ErrorCode::InvalidRequest) {
        codes.push(ErrorCode::InvalidRequest);
    }
    codes.sort_unstable_by_key(|code| code.as_str());
    let mut described = OperationBuilder::new()
        .operation_id(Some(operation_id(path, method)))
        .summary(Some(operation.summary))
        .tag(path.trim_start_matches("/v1").split('/').nth(1).unwrap_or_default())
        .parameters(Some(path_parameters.into_iter().chain(operation.parameters)))
        .request_body(operation.body);
    for (status, response) in operation.answers {
        described = described.response(status.to_string(), response);
    }
    for (status, codes) in by_status(&codes) {
        described = described.response(status.to_string(), refusal(&codes));
    }
    if !operation.is_public {
        described = described.security(SecurityRequirement::new(BEARER, Vec::<String>::new()));
    }
    described.build()
}

/// `get_v1_conversations_id`.
fn operation_id(path: &str, method: &HttpMethod) -> String {
    let method = match method {
        HttpMethod::Get => "get",
        HttpMethod::Put => "put",
        HttpMethod::Post => "post",
        HttpMethod::Delete => "delete",
        HttpMethod::Options => "options",
        HttpMethod::Head => "head",
        HttpMethod::Patch => "patch",
        HttpMethod::Trace => "trace",
    };
    let words = path.split(|letter: char| !letter.is_ascii_alphanumeric());
    words.filter(|word| !word.is_empty()).fold(method.to_owned(), |id, word| id + "_" + word)
}

/// Every name in braces is a UUID, a handle apart.
fn path_parameters(path: &str) -> impl Iterator<Item = Parameter> + '_ {
    let names = path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'));
    names.map(|name| {
        let schema = if name == "handle" {
            text()
        } else {
            let uuid = SchemaFormat::KnownFormat(KnownFormat::Uuid);
            ObjectBuilder::new().schema_type(Type::String).format(Some(uuid)).into()
        };
        parameter(ParameterIn::Path, name, Required::True, "", schema)
    })
}

fn by_status(codes: &[ErrorCode]) -> BTreeMap<u16, Vec<&'static str>> {
    let mut by_status: BTreeMap<u16, Vec<_>> = BTreeMap::new();
    for code in codes {
        by_status.entry(code.http_status()).or_default().push(code.as_str());
    }
    by_status
}

fn refusal(codes: &[&str]) -> Response {
    let content = || {
        let problem = Ref::from_schema_name(Problem::name());
        ContentBuilder::new().schema(Some(RefOr::Ref::<Schema>(problem))).build()
    };
    let codes: Vec<_> = codes.iter().map(|code| format!("`{code}`")).collect();
    ResponseBuilder::new()
        .description(codes.join(", "))
        .content(PROBLEM_JSON, content())
        .content(PROTOBUF, content())
        .build()
}

const BEARER: &str = "access_token";
const ABOUT: &str = "\
The content service of Nudge: accounts, conversations, messages, inbox, media. Every body is JSON or, \
by Content-Type and Accept, protobuf of the same names. A refusal is a problem document (RFC 9457) with a \
stable `code`. Every write carries a client-made id or an offset: sending it again does nothing twice.";
