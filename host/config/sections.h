#pragma once

#include <utility>

#include "host/config/config.h"
#include "host/config/value.h"

namespace outboard::config {

// One reader per struct. Each sets what it could read and reports the rest.
void ReadHost(const Value& value, Host* host);
void ReadBus(const Value& value, Bus* bus);
void ReadDialect(const Value& value, dialect::DialectOptions* dialect);
void ReadPlugin(const Value& value, Plugin* plugin);
void ReadLimits(const Value& value, Limits* limits);
void ReadSandbox(const Value& value, Sandbox* sandbox);
void ReadRoute(const Value& value, Route* route);
void ReadStages(const Value& value, std::vector<Stage>* out);
void ReadPipeline(const Value& value, Pipeline* pipeline);
void ReadIngress(const Value& value, Ingress* ingress);
// Which events, of a route or in front of the bus.
void ReadSource(const Value& value, std::string* service, std::vector<std::string>* events);
// A name of a plugin, or plugin.component.
void ReadTarget(const Value& value, std::vector<Target>* out);

// The words for places in a message that need nothing beside them.
inline constexpr std::pair<const char*, dialect::Place::From> kPlaceWords[] = {
    {"exchange", dialect::Place::From::kExchange},
    {"routing_key", dialect::Place::From::kRoutingKey},
    {"message_id", dialect::Place::From::kMessageId},
    {"type", dialect::Place::From::kType},
    {"app_id", dialect::Place::From::kAppId},
    {"correlation_id", dialect::Place::From::kCorrelationId},
    {"timestamp", dialect::Place::From::kTimestamp},
    {"content_type", dialect::Place::From::kContentType},
    {"content_encoding", dialect::Place::From::kContentEncoding},
    {"user_id", dialect::Place::From::kUserId},
    {"reply_to", dialect::Place::From::kReplyTo},
};
// And for what a dialect is.
inline constexpr std::pair<const char*, dialect::Kind> kDialectWords[] = {
    {"cloudevents", dialect::Kind::kCloudEvents},
    {"json", dialect::Kind::kJson},
    {"raw", dialect::Kind::kRaw},
};
inline constexpr std::pair<const char*, dialect::CloudEventsForm> kFormWords[] = {
    {"binary", dialect::CloudEventsForm::kBinary},
    {"json", dialect::CloudEventsForm::kStructuredJson},
    {"protobuf", dialect::CloudEventsForm::kProtobuf},
};

}  // namespace outboard::config
