#include "host/config/dump.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "nlohmann/json.hpp"
#include "tests/unit/config/read.h"

namespace outboard::config {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

TEST(DumpTest, ShowsNoSecret) {
  const ReadResult result = Read(R"(
plugins:
  - name: p
    run: [prog, "--key=${PW}"]
    env: {DB: "pg://u:${PW}@h", API_TOKEN: literal}
    config: {url: "x${PW}y", password: literal, auth: {secret: {value: literal}}, pin: !!int "${PIN}", n: 5}
)",
                                 {{"PW", "planted\"one"}, {"PIN", "730518"}});
  ASSERT_TRUE(result.ok()) << ToText(result.problems);
  const std::string dump = DumpConfig(result.config);
  EXPECT_THAT(dump, Not(HasSubstr("planted")));
  EXPECT_THAT(dump, Not(HasSubstr("730518")));
  EXPECT_THAT(dump, Not(HasSubstr("literal")));
  EXPECT_THAT(dump, HasSubstr("pg://u:***@h"));
  EXPECT_THAT(dump, HasSubstr("\"n\": 5"));
}

TEST(DumpTest, IsAConfigurationThatReadsTheSame) {
  const ReadResult first = Read(R"(
host: {name: t, http: "", shards: 3, grpc: 127.0.0.1:0, token_file: /t, tls: {cert_file: /a, key_file: /b}, drain_timeout: 90s, lineage: {rows: 500, age: 3d}, log: {format: json, level: warning}}
bus: {kind: memory, synchronous: normal, max_bytes: 5GiB}
plugins:
  - {name: p, run: [a, b], env: {A: b}, config: {x: [1, "2", 2.5]}, circuit: {crashes: 9}}
  - {name: q, address: "h:1", publish: a.#, token_file: /f, emits: [b], tls: {ca_file: /c, server_name: n}}
routes:
  - {name: r, source: {service: s, events: [a.#]}, delivery: {mode: broadcast, order_by: subject}, to: [p, q.c],
     from: 2026-01-31T12:00:00Z}
  - {name: s, to: q, from: 17, delivery: {reliable: false}, on_dead_letter: stop}
pipelines: [{name: c, stages: [p, {stage: q, time_limit: 2s}]}]
ingress:
  - {name: i, source: {service: s}, stages: [p.a, {stage: q, fail: open, time_limit: 1s}]}
)");
  ASSERT_TRUE(first.ok()) << ToText(first.problems);
  nlohmann::json dumped = nlohmann::json::parse(DumpConfig(first.config));
  EXPECT_EQ(dumped["routes"][0]["retry"]["max_attempts"], 8);
  EXPECT_EQ(dumped["ingress"][0]["stages"][1], nlohmann::json::parse(R"(
      {"stage": "q", "fail": "open", "time_limit": "1s"})"));
  dumped["host"].erase("admin_socket");  // Empty: it has no other form.
  const ReadResult second = Read(dumped.dump());
  ASSERT_TRUE(second.ok()) << ToText(second.problems);
  EXPECT_EQ(DumpConfig(second.config), DumpConfig(first.config));
}

TEST(DumpTest, ADialectReadsTheSame) {
  const ReadResult first = Read(R"(
bus:
  kind: rabbitmq
  url: amqp://h
  dialect: {form: protobuf, prefix: ce-}
  sources:
    nova:
      exchange: openstack
      declare: passive
      routing_keys: [notifications.*]
      dialect:
        kind: json
        attributes: {id: [message_id, {body: [/a, /b]}], subject: {header: h}, time: [], x: {text: y}}
)");
  ASSERT_TRUE(first.ok()) << ToText(first.problems);
  nlohmann::json dumped = nlohmann::json::parse(DumpConfig(first.config));
  const ReadResult second = Read(nlohmann::json{{"bus",
                                                 {{"kind", "rabbitmq"},
                                                  {"url", "amqp://h"},
                                                  {"dialect", dumped["bus"]["dialect"]},
                                                  {"sources", dumped["bus"]["sources"]}}}}
                                     .dump());
  ASSERT_TRUE(second.ok()) << ToText(second.problems);
  const Rabbitmq &a = first.config.bus.rabbitmq, &b = second.config.bus.rabbitmq;
  EXPECT_EQ(a.dialect, b.dialect);
  EXPECT_EQ(a.sources.at("nova").exchange, b.sources.at("nova").exchange);
  EXPECT_EQ(a.sources.at("nova").declare, b.sources.at("nova").declare);
  EXPECT_EQ(a.sources.at("nova").routing_keys, b.sources.at("nova").routing_keys);
  EXPECT_EQ(a.sources.at("nova").dialect, b.sources.at("nova").dialect);
}

}  // namespace
}  // namespace outboard::config
