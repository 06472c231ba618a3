#include <google/protobuf/util/message_differencer.h>

#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "host/conform/bad_config.h"
#include "host/conform/plays.h"
#include "host/conform/stand.h"
#include "host/plugin/config_schema.h"
#include "host/route/filter.h"
#include "nlohmann/json.hpp"

namespace outboard::conform {
namespace {

std::string DescribeWith(const std::string& config) {
  return absl::StrCat("Describe with config_json ", config);
}

std::string Errors(const v1::DescribeResponse& description) {
  std::vector<std::string> errors;
  for (const v1::ConfigError& error : description.config_errors()) {
    errors.push_back(absl::StrCat(error.path().empty() ? "/" : error.path(), " ", error.message()));
  }
  return absl::StrJoin(errors, "; ");
}

absl::Status CheckPatterns(const google::protobuf::RepeatedPtrField<std::string>& patterns) {
  for (const std::string& pattern : patterns) {
    if (absl::Status status = route::ValidatePattern(pattern); !status.ok()) return status;
  }
  return absl::OkStatus();
}

// What is wrong with one component, or nothing.
std::string ComponentFault(const v1::Component& component) {
  if (component.name().empty()) return "a component without a name";
  const std::string name = absl::StrCat("component ", component.name());
  if (component.role() < v1::ROLE_WORKER || component.role() > v1::ROLE_PRODUCER) {
    return absl::StrCat(name, " with role ", static_cast<int>(component.role()));
  }
  for (const auto* patterns : {&component.event_types(), &component.emits()}) {
    const absl::Status status = CheckPatterns(*patterns);
    if (!status.ok()) return absl::StrCat(name, " with a bad pattern: ", status.message());
  }
  if (component.disabled() && component.disabled_reason().empty()) {
    return name + " disabled without a disabled_reason";
  }
  return "";
}

}  // namespace

Finding PlayDescribeAnswers(Stand& stand) {
  const std::string& config = stand.subject().config_json;
  if (!stand.start_fault().empty()) {
    return Fail("starts it with OUTBOARD_LISTEN=" + stand.address(), stand.start_fault());
  }
  const auto description = stand.connection().Describe(config, stand.subject().start_timeout);
  if (!description.ok()) {
    return Fail(DescribeWith(config), std::string(description.status().ToString()));
  }
  stand.description() = *description;
  if (description->name().empty()) return Fail(DescribeWith(config), "no name");
  return Pass(absl::StrCat(description->name(), " ", description->version(),
                           description->sdk().empty() ? "" : ", " + description->sdk()));
}

Finding PlayConfigAccepted(Stand& stand) {
  const std::string& config = stand.subject().config_json;
  if (stand.description().config_errors_size() > 0) {
    return Fail(DescribeWith(config), "config_errors: " + Errors(stand.description()));
  }
  const auto faults = plugin::CheckAgainstSchema(config, stand.description().config_schema_json());
  if (!faults.empty()) {
    return Fail(DescribeWith(config), "no config_errors, but by its own schema: " + faults.front());
  }
  return Pass();
}

Finding PlayComponents(Stand& stand) {
  const std::string sent = DescribeWith(stand.subject().config_json);
  if (stand.description().components_size() == 0) return Fail(sent, "no component");
  for (const v1::Component& component : stand.description().components()) {
    if (std::string fault = ComponentFault(component); !fault.empty()) {
      return Fail(sent, std::move(fault));
    }
  }
  return Pass();
}

Finding PlayUnique(Stand& stand) {
  std::set<std::pair<std::string, int>> seen;
  for (const v1::Component& component : stand.description().components()) {
    if (!seen.emplace(component.name(), component.role()).second) {
      return Fail(
          DescribeWith(stand.subject().config_json),
          absl::StrCat("two ", RoleName(component.role()), "s of the name ", component.name()));
    }
  }
  return Pass();
}

Finding PlaySchema(Stand& stand) {
  const std::string& schema = stand.description().config_schema_json();
  if (schema.empty()) return Pass("none");
  const auto parsed = nlohmann::json::parse(schema, nullptr, /*allow_exceptions=*/false);
  if (parsed.is_object()) return Pass();
  return Fail(
      DescribeWith(stand.subject().config_json),
      absl::StrCat("config_schema_json of ", schema.size(), " bytes that is no JSON object"));
}

Finding PlayPure(Stand& stand) {
  const std::string& config = stand.subject().config_json;
  const auto first = stand.connection().Describe(config, stand.patience());
  Connection other(stand.address());
  const auto second = other.Describe(config, stand.patience());
  for (const auto* answer : {&first, &second}) {
    if (!answer->ok()) {
      return Fail(DescribeWith(config) + ", twice", std::string(answer->status().ToString()));
    }
  }
  std::string difference;
  google::protobuf::util::MessageDifferencer differencer;
  differencer.set_repeated_field_comparison(
      google::protobuf::util::MessageDifferencer::AS_SET);  // Components come in any order.
  differencer.ReportDifferencesToString(&difference);
  if (differencer.Compare(*first, *second)) return Pass();
  return Fail(DescribeWith(config) + ", twice", "two answers that differ: " + difference);
}

Finding PlayConfigRefused(Stand& stand) {
  const std::string& schema = stand.description().config_schema_json();
  const auto bad = ConfigAgainst(schema, stand.subject().config_json);
  const std::string config = bad.value_or(R"({"outboard_conform_unknown": {"a": [1, null]}})");
  const auto answer = stand.connection().Describe(config, stand.patience());
  if (!answer.ok()) return Fail(DescribeWith(config), std::string(answer.status().ToString()));
  if (!bad) return Pass(schema.empty() ? "no schema" : "its schema refuses nothing");
  if (answer->config_errors_size() > 0) return Pass();
  return Fail(DescribeWith(config), "no config_errors, though its own schema says: " +
                                        plugin::CheckAgainstSchema(config, schema).front());
}

Finding PlayHealth(Stand& stand) {
  const absl::Status status = stand.connection().CheckHealth(stand.patience());
  if (status.ok()) return Pass();
  return Fail("grpc.health.v1.Health/Check of the whole server", std::string(status.message()));
}

Finding PlayDescribeWhileBusy(Stand& stand) {
  Session& session = stand.NewStream();
  if (auto fault = stand.OpenIn(session)) return *fault;
  const size_t count = std::min<size_t>(64, stand.MostInFlight());
  const std::vector<uint64_t> ids = session.Deliver(stand.samples().Next(count));
  const std::string& config = stand.subject().config_json;
  const auto answer = stand.connection().Describe(config, stand.patience());
  if (!answer.ok()) {
    return Fail(absl::StrCat(count, " deliveries, then ", DescribeWith(config)),
                std::string(answer.status().ToString()));
  }
  return stand.WaitAnswered(session, ids).value_or(Pass());
}

Finding PlayLimits(Stand& stand) {
  const v1::Component& c = stand.component();
  const std::string sent = DescribeWith(stand.subject().config_json);
  if (c.max_in_flight() > 0 && c.max_in_flight() < c.concurrency()) {
    return Fail(sent, absl::StrCat("component ", c.name(), " with concurrency ", c.concurrency(),
                                   " and max_in_flight ", c.max_in_flight()));
  }
  if (stand.MaxMessageBytes() < 64 * 1024) {
    return Fail(sent, absl::StrCat("max_message_bytes ", stand.MaxMessageBytes(),
                                   ": most events would be dead letters"));
  }
  return Pass();
}

}  // namespace outboard::conform
