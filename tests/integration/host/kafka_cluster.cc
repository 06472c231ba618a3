// A Kafka cluster for tests: librdkafka's mock cluster in a process of its own, and what arrives in
// its topic.
//
// Usage: kafka_cluster TOPIC PARTITIONS FILE. Prints the servers on one line; appends each message
// of the topic to FILE as it comes: partition, offset, key, headers and value, a line of JSON.
// Reads commands on stdin: "down" and "up" of all brokers, "error CODE COUNT" for the next requests
// that produce; answers each with "ok". Ends with its stdin.

#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafka_mock.h>

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iostream>
#include <nlohmann/json.hpp>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

namespace {

constexpr int kBrokers = 3;
constexpr int16_t kProduce = 0;  // The number of that request in Kafka's protocol.

rd_kafka_t* NewClient(rd_kafka_type_t type, const std::string& servers) {
  rd_kafka_conf_t* settings = rd_kafka_conf_new();
  char fault[256] = "";
  const auto set = [&](const char* name, const std::string& value) {
    rd_kafka_conf_set(settings, name, value.c_str(), fault, sizeof fault);
  };
  if (!servers.empty()) set("bootstrap.servers", servers);
  if (type == RD_KAFKA_CONSUMER) {
    set("group.id", "reader");
    set("fetch.wait.max.ms", "20");
    set("reconnect.backoff.max.ms", "200");
  }
  set("log_level", "0");
  rd_kafka_t* client = rd_kafka_new(type, settings, fault, sizeof fault);
  if (client == nullptr) {
    std::cerr << "kafka_cluster: " << fault << '\n';
    std::exit(1);
  }
  return client;
}

std::string Text(const void* bytes, size_t size) { return {static_cast<const char*>(bytes), size}; }

nlohmann::json Describe(const rd_kafka_message_t* message) {
  nlohmann::json headers = nlohmann::json::object();
  rd_kafka_headers_t* list = nullptr;
  if (rd_kafka_message_headers(message, &list) == RD_KAFKA_RESP_ERR_NO_ERROR) {
    const char* name = nullptr;
    const void* value = nullptr;
    size_t size = 0;
    for (size_t i = 0; rd_kafka_header_get_all(list, i, &name, &value, &size) == 0; ++i) {
      headers[name] = Text(value, size);
    }
  }
  return {{"partition", message->partition},
          {"offset", message->offset},
          {"key", message->key == nullptr ? nlohmann::json()
                                          : nlohmann::json(Text(message->key, message->key_len))},
          {"headers", headers},
          {"value", Text(message->payload, message->len)}};
}

void Consume(const std::string& servers, const std::string& topic, int partitions,
             const std::string& path, const std::atomic<bool>* stop) {
  rd_kafka_t* consumer = NewClient(RD_KAFKA_CONSUMER, servers);
  rd_kafka_poll_set_consumer(consumer);
  rd_kafka_topic_partition_list_t* all = rd_kafka_topic_partition_list_new(partitions);
  for (int i = 0; i < partitions; ++i) {
    rd_kafka_topic_partition_list_add(all, topic.c_str(), i)->offset = 0;
  }
  rd_kafka_assign(consumer, all);
  rd_kafka_topic_partition_list_destroy(all);
  std::ofstream out(path);
  while (!*stop) {
    rd_kafka_message_t* message = rd_kafka_consumer_poll(consumer, 50);
    if (message == nullptr) continue;
    if (message->err == RD_KAFKA_RESP_ERR_NO_ERROR) {
      // What is no UTF-8 becomes U+FFFD.
      constexpr auto kReplace = nlohmann::json::error_handler_t::replace;
      out << Describe(message).dump(-1, ' ', false, kReplace) + "\n" << std::flush;
    }
    rd_kafka_message_destroy(message);
  }
  rd_kafka_consumer_close(consumer);
  rd_kafka_destroy(consumer);
}

void Do(const std::string& line, rd_kafka_mock_cluster_t* cluster) {
  std::istringstream words(line);
  std::string verb;
  words >> verb;
  if (verb == "error") {
    int code = 0, count = 0;
    words >> code >> count;
    const std::vector<rd_kafka_resp_err_t> errors(count, static_cast<rd_kafka_resp_err_t>(code));
    rd_kafka_mock_push_request_errors_array(cluster, kProduce, errors.size(), errors.data());
    return;
  }
  for (int broker = 1; broker <= kBrokers; ++broker) {
    if (verb == "down") rd_kafka_mock_broker_set_down(cluster, broker);
    if (verb == "up") rd_kafka_mock_broker_set_up(cluster, broker);
  }
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 4) {
    std::cerr << "usage: kafka_cluster TOPIC PARTITIONS FILE\n";
    return 2;
  }
  const std::string topic = argv[1];
  const int partitions = std::atoi(argv[2]);
  rd_kafka_t* client = NewClient(RD_KAFKA_PRODUCER, "");
  rd_kafka_mock_cluster_t* cluster = rd_kafka_mock_cluster_new(client, kBrokers);
  rd_kafka_mock_topic_create(cluster, topic.c_str(), partitions, 1);
  const std::string servers = rd_kafka_mock_cluster_bootstraps(cluster);
  std::atomic<bool> stop{false};
  std::thread consumer(Consume, servers, topic, partitions, std::string(argv[3]), &stop);
  std::cout << servers << std::endl;
  for (std::string line; std::getline(std::cin, line);) {
    Do(line, cluster);
    std::cout << "ok" << std::endl;
  }
  stop = true;
  consumer.join();
  rd_kafka_mock_cluster_destroy(cluster);
  rd_kafka_destroy(client);
  return 0;
}
