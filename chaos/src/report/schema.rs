//! The published form of `result.json` and of `--report json`.
//!
//! The file beside this one is made from the model's types, by `REWRITE=1 cargo test -p
//! paxosctl-chaos schema`; a test holds it up to date.

/// A JSON schema, draft 2020-12: one result, or `{"schema_version": …, "runs": […]}`.
pub const RESULT_SCHEMA: &str = include_str!("result.schema.json");

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use jsonschema::Validator;
    use schemars::generate::SchemaSettings;
    use serde_json::{Value, json};

    use super::RESULT_SCHEMA;
    use crate::check::support::Story;
    use crate::report::{RunResult, RunResults, json as rendered, json_of_all};

    fn derived() -> String {
        // What is written, with all that is always there required.
        let mut generator = SchemaSettings::draft2020_12()
            .for_serialize()
            .into_generator();
        let either = json!({
            "anyOf": [
                generator.subschema_for::<RunResult>(),
                generator.subschema_for::<RunResults>(),
            ]
        });
        let mut schema = json!({
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "title": "paxosctl result",
            "description": "The judgement of a run, or of several. Times are microseconds since the cluster was ready, lengths of time are microseconds. Fields may be added within one schema version.",
        });
        schema["anyOf"] = either["anyOf"].clone();
        schema["$defs"] = Value::Object(generator.take_definitions(true));
        let mut text = serde_json::to_string_pretty(&schema).expect("plain JSON");
        text.push('\n');
        text
    }

    fn validator() -> Validator {
        let schema: Value = serde_json::from_str(RESULT_SCHEMA).expect("JSON");
        jsonschema::meta::validate(&schema).expect("a schema");
        jsonschema::validator_for(&schema).expect("a schema")
    }

    fn results() -> Vec<RunResult> {
        let mut story = Story::new(3);
        story.say("ann", "hello");
        let fault = story.kill(&["s3"]);
        story.say_to("ann", "two", &[0, 1]);
        story.start(&fault, &["s3"]);
        // s3 lacks what the others have, and faults-bit and traffic have something to say.
        let violated = story.finish().judge();
        let failed = RunResult::could_not_run("story", 7, "paxosctl run x.yaml", "no".to_string());
        vec![violated, failed]
    }

    #[test]
    fn the_schema_is_that_of_the_model() {
        let derived = derived();
        if std::env::var_os("REWRITE").is_some() {
            let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/report/result.schema.json");
            fs::write(path, &derived).expect("written");
        }
        assert_eq!(
            RESULT_SCHEMA, derived,
            "REWRITE=1 cargo test -p paxosctl-chaos schema writes it anew"
        );
    }

    #[test]
    fn what_is_written_is_valid_alone_and_together() {
        let validator = validator();
        let results = results();
        assert!(!results[0].checks.is_empty() && !results[0].faults.is_empty());
        for text in results.iter().map(rendered).chain([json_of_all(&results)]) {
            let value: Value = serde_json::from_str(&text).expect("JSON");
            let errors: Vec<String> = validator
                .iter_errors(&value)
                .map(|error| error.to_string())
                .collect();
            assert!(errors.is_empty(), "{errors:#?}\n{text}");
        }
    }

    #[test]
    fn what_is_not_a_result_is_refused() {
        let validator = validator();
        let sound = serde_json::to_value(&results()[0]).expect("JSON");
        assert!(validator.is_valid(&sound));
        for (field, wrong) in [
            ("verdict", json!("green")),
            ("seed", json!(-1)),
            ("checks", json!({})),
            ("plan", Value::Null),
        ] {
            let mut spoiled = sound.clone();
            spoiled[field] = wrong;
            assert!(!validator.is_valid(&spoiled), "{field}");
        }
        let mut lacking = sound.clone();
        lacking
            .as_object_mut()
            .expect("an object")
            .remove("traffic");
        assert!(!validator.is_valid(&lacking));
        let mut longer = sound;
        longer["added_later"] = json!(1);
        assert!(validator.is_valid(&longer), "fields may be added");
    }
}
