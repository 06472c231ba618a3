// What a bare rabbitmq-c client does, for comparison: fills a queue with confirmed events, or
// drains it with coalesced acknowledgements and no work. Prints what it took as JSON.
//
//   bench_amqp --do publish --port P --vhost V --exchange E [--events N] [--size 256]
//   bench_amqp --do consume --port P --vhost V --queue Q [--events N] [--prefetch 1000]

#include <amqp.h>
#include <amqp_framing.h>
#include <amqp_tcp_socket.h>
#include <sys/time.h>

#include <cstdio>
#include <cstdlib>
#include <string>

#include "tests/bench/common.h"

namespace {

using outboard::bench::CpuSeconds;
using outboard::bench::NowNanos;
using Flags = std::map<std::string, std::string>;

constexpr uint64_t kWindow = 1024;  // Unconfirmed publishes.
constexpr uint64_t kAckEvery = 64;

void Check(bool good, const char* what) {
  if (good) return;
  std::fprintf(stderr, "bench_amqp: %s failed\n", what);
  std::exit(1);
}

amqp_connection_state_t Connect(const Flags& flags) {
  amqp_connection_state_t connection = amqp_new_connection();
  amqp_socket_t* socket = amqp_tcp_socket_new(connection);
  Check(amqp_socket_open(socket, "127.0.0.1", std::stoi(flags.at("port"))) == AMQP_STATUS_OK,
        "connect");
  Check(amqp_login(connection, flags.at("vhost").c_str(), 0, 131072, 0, AMQP_SASL_METHOD_PLAIN,
                   "guest", "guest")
                .reply_type == AMQP_RESPONSE_NORMAL,
        "login");
  Check(amqp_channel_open(connection, 1) != nullptr, "opening a channel");
  return connection;
}

amqp_table_entry_t Header(const char* name, const char* value) {
  amqp_table_entry_t entry;
  entry.key = amqp_cstring_bytes(name);
  entry.value.kind = AMQP_FIELD_KIND_UTF8;
  entry.value.value.bytes = amqp_cstring_bytes(value);
  return entry;
}

// Reads confirms until at most `left` publishes are without one.
void AwaitConfirms(amqp_connection_state_t connection, uint64_t sent, uint64_t left,
                   uint64_t* confirmed) {
  while (sent - *confirmed > left) {
    amqp_frame_t frame;
    Check(amqp_simple_wait_frame(connection, &frame) == AMQP_STATUS_OK, "reading a confirm");
    Check(frame.frame_type == AMQP_FRAME_METHOD && frame.payload.method.id == AMQP_BASIC_ACK_METHOD,
          "a confirm");
    const auto* ack = static_cast<amqp_basic_ack_t*>(frame.payload.method.decoded);
    *confirmed = ack->multiple ? ack->delivery_tag : *confirmed + 1;
    amqp_maybe_release_buffers(connection);
  }
}

void Publish(amqp_connection_state_t connection, const Flags& flags, uint64_t events) {
  Check(amqp_confirm_select(connection, 1) != nullptr, "confirm.select");
  const std::string body = outboard::bench::Payload(std::stoul(flags.at("size")), 0);
  const std::string& exchange = flags.at("exchange");
  uint64_t confirmed = 0;
  for (uint64_t i = 1; i <= events; ++i) {
    char id[40];
    std::snprintf(id, sizeof(id), "01j9z3-%020llu", static_cast<unsigned long long>(i));
    amqp_table_entry_t headers[] = {
        Header("cloudEvents:specversion", "1.0"), Header("cloudEvents:id", id),
        Header("cloudEvents:source", "storyboard"), Header("cloudEvents:type", "story.post"),
        Header("cloudEvents:subject", "story/12")};
    amqp_basic_properties_t properties{};
    properties._flags =
        AMQP_BASIC_HEADERS_FLAG | AMQP_BASIC_DELIVERY_MODE_FLAG | AMQP_BASIC_CONTENT_TYPE_FLAG;
    properties.headers = {5, headers};
    properties.delivery_mode = 2;
    properties.content_type = amqp_cstring_bytes("application/json");
    Check(amqp_basic_publish(connection, 1, amqp_cstring_bytes(exchange.c_str()),
                             amqp_cstring_bytes("story.post"), 0, 0, &properties,
                             {body.size(), const_cast<char*>(body.data())}) == AMQP_STATUS_OK,
          "publishing");
    AwaitConfirms(connection, i, kWindow, &confirmed);
  }
  AwaitConfirms(connection, events, 0, &confirmed);
}

void Consume(amqp_connection_state_t connection, const Flags& flags, uint64_t events) {
  Check(amqp_basic_qos(connection, 1, 0, static_cast<uint16_t>(std::stoi(flags.at("prefetch"))),
                       0) != nullptr,
        "basic.qos");
  Check(amqp_basic_consume(connection, 1, amqp_cstring_bytes(flags.at("queue").c_str()),
                           amqp_empty_bytes, 0, 0, 0, amqp_empty_table) != nullptr,
        "basic.consume");
  for (uint64_t i = 1; i <= events; ++i) {
    amqp_maybe_release_buffers(connection);
    amqp_envelope_t envelope;
    Check(
        amqp_consume_message(connection, &envelope, nullptr, 0).reply_type == AMQP_RESPONSE_NORMAL,
        "consuming");
    if (i % kAckEvery == 0 || i == events)
      Check(amqp_basic_ack(connection, 1, envelope.delivery_tag, 1) == 0, "basic.ack");
    amqp_destroy_envelope(&envelope);
  }
  // The broker has taken the last acknowledgement when it answers what comes behind it.
  amqp_basic_qos(connection, 1, 0, 1, 0);
}

}  // namespace

int main(int argc, char** argv) {
  const Flags flags = outboard::bench::ReadFlags(argc, argv,
                                                 {{"do", "consume"},
                                                  {"port", "5672"},
                                                  {"vhost", "/"},
                                                  {"exchange", ""},
                                                  {"queue", ""},
                                                  {"events", "300000"},
                                                  {"size", "256"},
                                                  {"prefetch", "1000"}});
  amqp_connection_state_t connection = Connect(flags);
  const uint64_t events = std::stoull(flags.at("events"));
  const double cpu = CpuSeconds();
  const int64_t begin = NowNanos();
  if (flags.at("do") == "publish") {
    Publish(connection, flags, events);
  } else {
    Consume(connection, flags, events);
  }
  std::printf("{\"seconds\": %.6f, \"cpu\": %.6f}\n", static_cast<double>(NowNanos() - begin) / 1e9,
              CpuSeconds() - cpu);
  amqp_channel_close(connection, 1, AMQP_REPLY_SUCCESS);
  amqp_connection_close(connection, AMQP_REPLY_SUCCESS);
  amqp_destroy_connection(connection);
  return 0;
}
