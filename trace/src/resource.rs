//! Who exports.

use opentelemetry::KeyValue;
use opentelemetry_sdk::{
    Resource,
    resource::{EnvResourceDetector, ResourceDetector, TelemetryResourceDetector},
};
use uuid::Uuid;

use crate::TraceConfig;

/// What every span is marked with: the service, its version, and this run of it. `OTEL_RESOURCE_ATTRIBUTES` may add
/// to it and say otherwise, but for a name that was given as such.
pub(crate) fn resource(config: &TraceConfig) -> Resource {
    describe(config, &EnvResourceDetector::new().detect())
}

fn describe(config: &TraceConfig, from_environment: &Resource) -> Resource {
    let own = [
        KeyValue::new(SERVICE_NAME, config.default_name),
        KeyValue::new("service.version", config.version),
        KeyValue::new("service.instance.id", Uuid::new_v4().to_string()),
    ];
    let given =
        from_environment.iter().map(|(key, value)| KeyValue::new(key.clone(), value.clone()));
    let name = config.service_name.clone().map(|name| KeyValue::new(SERVICE_NAME, name));
    Resource::builder_empty()
        .with_detector(Box::new(TelemetryResourceDetector))
        .with_attributes(own)
        .with_attributes(given)
        .with_attributes(name)
        .build()
}

const SERVICE_NAME: &str = "service.name";

#[cfg(test)]
mod tests {
    use opentelemetry::Key;

    use super::*;

    #[test]
    fn what_is_given_is_stronger_than_what_is_known_and_a_name_than_an_attribute() {
        let mut config = TraceConfig {
            endpoint: "http://collector:4318".parse().unwrap(),
            headers: "".parse().unwrap(),
            ratio: "1".parse().unwrap(),
            service_name: None,
            default_name: "nudge",
            version: "1.2.3",
        };
        let get =
            |config: &TraceConfig, given: &[(&'static str, &'static str)], key: &'static str| {
                let given = given.iter().map(|(key, value)| KeyValue::new(*key, *value));
                let given = Resource::builder_empty().with_attributes(given).build();
                describe(config, &given).get(&Key::new(key)).map(|value| value.to_string())
            };
        assert_eq!(get(&config, &[], "service.name").unwrap(), "nudge");
        assert_eq!(get(&config, &[], "service.version").unwrap(), "1.2.3");
        assert!(get(&config, &[], "service.instance.id").unwrap().parse::<Uuid>().is_ok());
        let given = [("service.name", "chat"), ("service.instance.id", "pod-7"), ("zone", "b")];
        assert_eq!(get(&config, &given, "service.name").unwrap(), "chat");
        assert_eq!(get(&config, &given, "service.instance.id").unwrap(), "pod-7");
        assert_eq!(get(&config, &given, "zone").unwrap(), "b");
        config.service_name = Some("named".to_owned());
        assert_eq!(get(&config, &given, "service.name").unwrap(), "named");
    }
}
