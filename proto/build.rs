//! Compiles the schema without protoc, and gives the content messages their JSON form.

use std::path::Path;

use prost_build::Config;
use protox::prost_reflect::prost_types::{
    DescriptorProto, FieldDescriptorProto, FileDescriptorSet,
    field_descriptor_proto::{Label, Type},
};

/// Messages with a secret in them: `src/pb/secrets.rs` gives them a Debug that leaves it out.
const SECRET: [&str; 8] = [
    ".nudge.v1.signal.Hello",
    ".nudge.v1.watch.TicketKey",
    ".nudge.v1.content.CreateAccountRequest",
    ".nudge.v1.content.CreateSessionRequest",
    ".nudge.v1.content.Session",
    ".nudge.v1.content.RefreshRequest",
    ".nudge.v1.content.DeleteAccountRequest",
    ".nudge.v1.content.ChangePasswordRequest",
];

const CONTENT: &str = "nudge.v1.content";

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let files =
        ["signal", "watch", "bus", "content"].map(|name| format!("schema/nudge/v1/{name}.proto"));
    for file in &files {
        println!("cargo:rerun-if-changed={file}");
    }
    let descriptors = protox::compile(&files, [Path::new("schema")])?;
    let mut config = Config::new();
    config.bytes(["."]);
    config.skip_debug(SECRET);
    describe_json(&mut config, &descriptors);
    if std::env::var_os("CARGO_FEATURE_GRPC").is_some() {
        // Without a transport: both ends bring their own connections.
        let services = tonic_prost_build::configure().build_transport(false);
        config.service_generator(services.service_generator());
    }
    config.compile_fds(descriptors)?;
    Ok(())
}

/// Adds serde and OpenAPI attributes to every message of the content package.
fn describe_json(config: &mut Config, descriptors: &FileDescriptorSet) {
    let scope = format!(".{CONTENT}");
    config.type_attribute(&scope, "#[cfg_attr(feature = \"openapi\", derive(utoipa::ToSchema))]");
    config.message_attribute(
        &scope,
        "#[derive(serde::Serialize, serde::Deserialize)] #[serde(default)]",
    );
    for file in &descriptors.file {
        if file.package() != CONTENT {
            continue;
        }
        for word in &file.enum_type {
            config.enum_attribute(
                format!(".{CONTENT}.{}", word.name()),
                "#[cfg_attr(feature = \"openapi\", schema(rename_all = \"snake_case\"))]",
            );
        }
        for message in &file.message_type {
            describe_message(config, message);
        }
    }
}

fn describe_message(config: &mut Config, message: &DescriptorProto) {
    let path = format!(".{CONTENT}.{}", message.name());
    for field in &message.field {
        if let Some(attribute) = json_attribute(field) {
            config.field_attribute(format!("{path}.{}", field.name()), attribute);
        }
    }
}

/// How one field differs in JSON from what serde would do by itself.
fn json_attribute(field: &FieldDescriptorProto) -> Option<String> {
    const SKIP: &str = "skip_serializing_if = \"Option::is_none\"";
    let kind = field.r#type();
    let optional = field.proto3_optional();
    if kind == Type::Bytes {
        return Some(
            "#[serde(with = \"crate::json::base64\")] \
             #[cfg_attr(feature = \"openapi\", \
                 schema(value_type = String, format = Byte, default = \"\"))]"
                .to_owned(),
        );
    }
    if kind == Type::Enum {
        let name = field.type_name().rsplit('.').next().unwrap_or_default();
        let module = snake_case(name);
        let (with, schema) = if optional {
            let with = format!("with = \"crate::json::{module}::optional\", {SKIP}");
            (with, format!("Option<{name}>"))
        } else {
            (
                format!("with = \"crate::json::{module}\""),
                format!("{name}, default = \"unspecified\""),
            )
        };
        return Some(format!(
            "#[serde({with})] #[cfg_attr(feature = \"openapi\", schema(value_type = {schema}))]"
        ));
    }
    let single_message = kind == Type::Message && field.label() != Label::Repeated;
    (optional || single_message).then(|| format!("#[serde({SKIP})]"))
}

fn snake_case(name: &str) -> String {
    let mut snake = String::new();
    for (at, letter) in name.char_indices() {
        if letter.is_ascii_uppercase() && at > 0 {
            snake.push('_');
        }
        snake.push(letter.to_ascii_lowercase());
    }
    snake
}
