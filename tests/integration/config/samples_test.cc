// The samples, the schema, the reference and the reader say the same.

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rapidjson/document.h>
#include <rapidjson/schema.h>
#include <rapidjson/stringbuffer.h>

#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "host/config/json.h"
#include "host/config/reader.h"
#include "host/event/json.h"
#include "nlohmann/json.hpp"

namespace outboard::config {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::IsSupersetOf;
using ::testing::Not;

const std::filesystem::path kRoot = OUTBOARD_SOURCE_DIR;
const std::filesystem::path kSchema = kRoot / "docs/reference/outboard.schema.json";

std::string ReadAll(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  std::ostringstream out;
  out << in.rdbuf();
  return out.str();
}

ReadResult Read(const std::string& yaml) {
  return ReadConfigText(yaml, (kRoot / "deploy/samples/test.yaml").string(),
                        [](const std::string&) { return std::nullopt; });
}

class Schema {
 public:
  Schema() {
    document_.Parse(ReadAll(kSchema).c_str());
    EXPECT_FALSE(document_.HasParseError()) << "at byte " << document_.GetErrorOffset();
    schema_ = std::make_unique<rapidjson::SchemaDocument>(document_);
  }

  // Where the schema refuses the YAML (a JSON pointer and the keyword), or "ok".
  std::string Verdict(const std::string& yaml) const {
    Reading reading{
        .file = "f", .directory = "/", .env = ProcessEnv(), .problems = {}, .warnings = {}};
    const std::optional<std::string> json = ToJsonObject(Value(YAML::Load(yaml), "", &reading));
    EXPECT_TRUE(json.has_value()) << ToText(reading.problems);
    rapidjson::Document value;
    value.Parse(json.value_or("{").c_str());
    rapidjson::SchemaValidator validator(*schema_);
    if (value.Accept(validator)) return "ok";
    rapidjson::StringBuffer where;
    validator.GetInvalidDocumentPointer().StringifyUriFragment(where);
    return absl::StrCat(where.GetString(), " ", validator.GetInvalidSchemaKeyword());
  }

 private:
  rapidjson::Document document_;
  std::unique_ptr<rapidjson::SchemaDocument> schema_;
};

std::vector<std::filesystem::path> YamlSamples() {
  std::vector<std::filesystem::path> files;
  for (const auto& entry : std::filesystem::directory_iterator(kRoot / "deploy/samples")) {
    if (entry.path().extension() == ".yaml") files.push_back(entry.path());
  }
  return files;
}

// The blocks of YAML in a page of docs/ that are a whole configuration.
std::vector<std::string> YamlOf(const std::string& page) {
  std::vector<std::string> blocks;
  const std::string text = ReadAll(kRoot / "docs" / page);
  for (size_t at = 0; (at = text.find("```yaml\n", at)) != std::string::npos;) {
    at += 8;
    blocks.push_back(text.substr(at, text.find("```", at) - at));
  }
  return blocks;
}

// Without x-: RapidJSON 1.1 holds what matches only patternProperties to the schema of the property
// before.
constexpr char kBroker[] = R"(
bus:
  kind: rabbitmq
  url: "amqps://u:p@h/v"
  queue_type: classic
  declare: passive
  prefetch: 9
  heartbeat: 5s
  max_event_bytes: 64KiB
  tls: {ca_file: a, cert_file: b, key_file: c, server_name: d, verify: true}
  dialect: {kind: cloudevents, form: json, prefix: ce-}
  sources:
    other: {}
    nova:
      exchange: openstack
      declare: passive
      routing_keys: ["notifications.*"]
      dialect:
        kind: raw
        prefix: "cloudEvents:"
        attributes: {id: message_id, type: [{body: [/a, /b]}, {header: h}, {text: t}], subject: {body: /c}, time: [], more: [app_id]}
)";
constexpr char kAll[] = R"(
host: {name: t, data: d, http: "127.0.0.1:0", admin_socket: s, drain_timeout: 1s, shards: 2, log: {format: json, level: debug}}
bus: {kind: memory, path: p, synchronous: normal, retain: {time: 1d, bytes: 1MiB}, max_bytes: 1GiB, max_event_bytes: 65536}
plugins:
  - {name: p, run: [a, 1], instances: 2, config: {a: [1]}, env: {A: 1, B: "x"}, time_limit: 1h30m, start_timeout: 1s, grace: 1s, core: true,
     restart: {initial: 1s, max: 1m}, crash_limit: 1, max_in_flight: 9, circuit: &c {crashes: 1, within: 1s, trial_after: 1s}}
  - {name: q, address: "dns:///h:1"}
  - {name: r, run: "a b", grace: 0, circuit: {<<: *c, crashes: 2}, sandbox: strict,
     limits: {memory: 512MiB, cpu: 1.5, processes: 64, files: 1024, require: true}}
  - {name: s, run: a, sandbox: {user: nobody, write: [d, /e], hide: [f, /g], network: true, filter_syscalls: false, require: true}, limits: {}}
routes:
  - {name: a.b, source: {service: s, events: ["#"]}, delivery: {mode: broadcast, order_by: subject, reliable: false}, from: 7,
     to: [p, q.c], retry: {max_attempts: 1, initial: 1s, max: 2s, probe_limit: 3h}}
  - {name: c, source: {events: a.b}, from: "2026-01-31T12:00:00Z", to: r}
  - {name: d, from: last, to: [r]}
pipelines:
  - {name: a.b, stages: [p, q.c, {stage: r.d, time_limit: 2s}]}
  - {name: c, stages: p}
ingress:
  - {name: a.b, source: {service: s, events: ["#"]}, stages: [p, {stage: q.c, fail: open, time_limit: 2s}]}
  - {name: c, source: {events: a.b}, stages: p}
)";

TEST(SamplesTest, ReaderAndSchemaTakeEverySample) {
  const Schema schema;
  ASSERT_THAT(YamlSamples(), Not(IsEmpty()));
  for (const std::filesystem::path& file : YamlSamples()) {
    const ReadResult result = ReadConfigFile(file.string());
    EXPECT_THAT(result.problems, IsEmpty()) << ToText(result.problems);
    EXPECT_THAT(result.warnings, IsEmpty()) << ToText(result.warnings);
    EXPECT_EQ(schema.Verdict(ReadAll(file)), "ok") << file;
  }
}

TEST(SamplesTest, ReaderAndSchemaTakeWhatTheReferenceShows) {
  const Schema schema;
  setenv("SMTP_PASSWORD", "secret", 1);
  setenv("RABBIT_PASSWORD", "secret", 1);
  for (const std::string page :
       {"reference/config.md", "how-to/consume-other-systems.md", "how-to/harden-a-host.md"}) {
    ASSERT_THAT(YamlOf(page), Not(IsEmpty())) << page;
    for (const std::string& yaml : YamlOf(page)) {
      const ReadResult result = ReadConfigText(yaml, "/x/outboard.yaml", [](const std::string&) {
        return std::optional<std::string>("secret");
      });
      EXPECT_THAT(result.problems, IsEmpty()) << ToText(result.problems);
      EXPECT_EQ(schema.Verdict(yaml), "ok") << yaml;
    }
  }
}

TEST(SamplesTest, ReaderAndSchemaTakeEveryKey) {
  for (const char* yaml : {kAll, kBroker}) {
    const ReadResult result = Read(yaml);
    EXPECT_THAT(result.problems, IsEmpty()) << ToText(result.problems);
    EXPECT_EQ(Schema().Verdict(yaml), "ok");
  }
}

TEST(SamplesTest, ReaderAndSchemaRefuseTheSame) {
  const Schema schema;
  const std::string plugin = "plugins: [{name: p, run: x}]\n";
  const std::string broker = "bus:\n  kind: rabbitmq\n  url: amqp://h\n";
  const std::vector<std::string> bad = {
      "hosts: {}",
      "host: {nmae: x}",
      "host: {name: a b}",
      "host: {log: {level: warn}}",
      "host: {drain_timeout: 5}",
      "host: {shards: two}",
      "bus: {kind: rabbitmq, url: mq1}",
      "bus: {max_bytes: 1GB}",
      "bus: {retain: {tiem: 1s}}",
      broker + "  exchanges: {a: b}",
      broker + "  dialect: {kind: oslo}",
      broker + "  dialect: {prefix: x-}",
      broker + "  dialect: {kind: json, attributes: {id: mesage_id}}",
      broker + "  dialect: {kind: json, attributes: {id: {body: a/b}}}",
      broker + "  dialect: {kind: json, attributes: {id: {body: /a, text: b}}}",
      broker + "  dialect: {kind: json, attributes: {type: []}}",
      broker + "  sources: {a: {routing_keys: []}}",
      broker + "  sources: {a: {exchange: \"\"}}",
      broker + "  sources: {a: {declare: no}}",
      "buses: []",
      "pipelines: {}",
      "plugins: {}",
      "plugins: [{name: p}]",
      "plugins: [{run: x}]",
      "plugins: [{name: p, run: []}]",
      "plugins: [{name: p, run: x, address: \"h:1\"}]",
      "plugins: [{name: p, run: x, config: [1]}]",
      "plugins: [{name: p, run: x, directory: y}]",
      "plugins: [{name: p, run: x, limits: {memory: 1GB}}]",
      "plugins: [{name: p, run: x, limits: {cpu: 0}}]",
      "plugins: [{name: p, run: x, sandbox: tight}]",
      "plugins: [{name: p, run: x, sandbox: {networks: true}}]",
      "plugins: [{name: p, run: x, circuit: {crash: 1}}]",
      plugin + "routes: [{name: r}]",
      plugin + "routes: [{to: p}]",
      plugin + "routes: [{name: r, to: []}]",
      plugin + "routes: [{name: r, to: p, stages: [{fail: open}]}]",
      plugin + "routes: [{name: r, to: p, delivery: {mode: pol}}]",
      plugin + "routes: [{name: r, to: p, delivery: {order_by: a.b}}]",
      plugin + "routes: [{name: r, to: p, delivery: {reliable: yes}}]",
      plugin + "routes: [{name: r, to: p, from: then}]",
      plugin + "routes: [{name: r, to: p, source: {events: []}}]",
      plugin + "routes: [{name: r, to: p, retry: {max_attempts: many}}]",
      plugin + "pipelines: [{name: a}]",
      plugin + "pipelines: [{stages: p}]",
      plugin + "pipelines: [{name: a, stages: []}]",
      plugin + "pipelines: [{name: a, stages: [{time_limit: 1s}]}]",
      plugin + "pipelines: [{name: a, stages: [{stage: p, fail: open}]}]",
      "ingress: true",
      plugin + "ingress: [{name: a}]",
      plugin + "ingress: [{stages: p}]",
      plugin + "ingress: [{name: a, stages: []}]",
      plugin + "ingress: [{name: a, stages: p, source: {types: b}}]",
      plugin + "ingress: [{name: a, stages: [{stage: p, observe: true}]}]",
  };
  for (const std::string& yaml : bad) {
    EXPECT_THAT(Read(yaml).problems, Not(IsEmpty())) << yaml;
    EXPECT_NE(schema.Verdict(yaml), "ok") << yaml;
  }
}

// The keys that the reader names where it meets one that it does not know.
std::set<std::string> KeysOfTheReader(const std::string& yaml) {
  for (const ConfigProblem& problem : Read(yaml).problems) {
    const std::vector<std::string> parts = absl::StrSplit(problem.fix, "known here: ");
    if (parts.size() == 2) return absl::StrSplit(parts[1], ", ");
  }
  ADD_FAILURE() << "no list of keys for " << yaml;
  return {};
}

TEST(SamplesTest, SchemaAndReferenceKnowEveryKeyOfTheReader) {
  const nlohmann::json schema = nlohmann::json::parse(ReadAll(kSchema));
  const std::string reference = ReadAll(kRoot / "docs/reference/config.md");
  const std::string unknown = "{qqqqqqqqqqqq: 1}";
  // Where the reader meets it, where the schema has it, and what the reference puts before its
  // keys.
  const struct {
    std::string yaml, pointer, prefix;
  } sections[] = {
      {unknown, "/properties", "## "},
      {"host: " + unknown, "/definitions/host/properties", "`"},
      {"host: {log: " + unknown + "}", "/definitions/host/properties/log/properties", "`log."},
      {"bus: " + unknown, "/definitions/bus/properties", "`"},
      {"bus: {retain: " + unknown + "}", "/definitions/bus/properties/retain/properties",
       "`retain."},
      {"bus: {kind: rabbitmq, url: \"amqp://h\", dialect: " + unknown + "}",
       "/definitions/dialect/properties", "`dialect."},
      {"bus: {kind: rabbitmq, url: \"amqp://h\", sources: {a: " + unknown + "}}",
       "/definitions/source/properties", "`sources.NAME."},
      {"plugins: [" + unknown + "]", "/definitions/plugin/properties", "`"},
      {"plugins: [{restart: " + unknown + "}]", "/definitions/plugin/properties/restart/properties",
       "`restart."},
      {"plugins: [{circuit: " + unknown + "}]", "/definitions/plugin/properties/circuit/properties",
       "."},
      {"plugins: [{limits: " + unknown + "}]", "/definitions/plugin/properties/limits/properties",
       "`limits."},
      {"plugins: [{sandbox: " + unknown + "}]",
       "/definitions/plugin/properties/sandbox/anyOf/1/properties", "`sandbox."},
      {"routes: [" + unknown + "]", "/definitions/route/properties", "`"},
      {"routes: [{source: " + unknown + "}]", "/definitions/filter/properties", "`source."},
      {"routes: [{delivery: " + unknown + "}]", "/definitions/route/properties/delivery/properties",
       "`delivery."},
      {"routes: [{retry: " + unknown + "}]", "/definitions/route/properties/retry/properties",
       "`retry."},
      {"pipelines: [" + unknown + "]", "/definitions/pipeline/properties", "`"},
      {"ingress: [" + unknown + "]", "/definitions/ingress/properties", "`"},
      {"ingress: [{source: " + unknown + "}]", "/definitions/filter/properties", "`source."},
  };
  for (const auto& section : sections) {
    std::set<std::string> in_schema;
    for (const auto& [key, value] :
         schema.at(nlohmann::json::json_pointer(section.pointer)).items()) {
      in_schema.insert(key);
    }
    const std::set<std::string> keys = KeysOfTheReader(section.yaml);
    EXPECT_EQ(in_schema, keys) << section.pointer;
    for (const std::string& key : keys) {
      EXPECT_THAT(reference, testing::HasSubstr(section.prefix + key)) << section.pointer;
    }
  }
}

TEST(SamplesTest, EveryLineOfTheFeedIsAnEventOfTheTracker) {
  const std::vector<std::string> keys = {
      "author_id",       "method",        "url",         "path",         "query_string",
      "status",          "resource",      "resource_id", "sub_resource", "sub_resource_id",
      "resource_before", "resource_after"};
  std::ifstream in(kRoot / "deploy/samples/tracker-feed.ndjson");
  std::set<std::string> ids, timeline;
  int lines = 0;
  for (std::string line; std::getline(in, line); ++lines) {
    const absl::StatusOr<Event> event = EventFromJson(line);
    ASSERT_TRUE(event.ok()) << "line " << lines + 1 << ": " << event.status();
    EXPECT_TRUE(ids.insert(std::string(event->id())).second);
    EXPECT_EQ(event->source(), absl::string_view("storyboard"));
    const auto json = nlohmann::ordered_json::parse(line);
    const nlohmann::ordered_json& data = json["data"];
    std::vector<std::string> have;
    for (const auto& [key, value] : data.items()) have.push_back(key);
    EXPECT_EQ(have, keys) << "line " << lines + 1;
    if (data["resource"] == "timeline_event") timeline.insert(data["resource_after"]["event_type"]);
  }
  EXPECT_EQ(lines, 400);
  EXPECT_EQ(timeline.size(), 22u) << "all kinds of timeline events";
}

}  // namespace
}  // namespace outboard::config
