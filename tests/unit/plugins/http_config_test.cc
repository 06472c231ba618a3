#include <gtest/gtest.h>

#include "plugins/producers/http/config.h"

namespace outboard::http {
namespace {

std::vector<std::string> Paths(std::string_view json) {
  Config config;
  std::vector<std::string> paths;
  for (const ConfigError& error : ReadConfig(json, &config)) paths.push_back(error.path);
  return paths;
}

using List = std::vector<std::string>;

TEST(HttpConfigTest, ReadsAGoodOne) {
  Config config;
  const auto errors = ReadConfig(
      R"({"url": "https://x/y", "mode": "structured", "headers": {"Authorization": "Bearer t"},
          "secrets": ["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"], "timeout": "3s"})",
      &config);
  EXPECT_TRUE(errors.empty());
  EXPECT_TRUE(config.structured);
  EXPECT_EQ(config.headers.at("Authorization"), "Bearer t");
  EXPECT_EQ(config.keys.size(), 1u);
  EXPECT_EQ(config.timeout, std::chrono::seconds(3));
}

TEST(HttpConfigTest, NamesEachFault) {
  EXPECT_EQ(Paths("{}"), List{"/url"});
  EXPECT_EQ(Paths(R"({"url": "ftp://x"})"), List{"/url"});
  EXPECT_EQ(Paths(R"({"url": "http://x", "headers": {"a b": "1", "CE-id": "1", "c": "1\n2"}})"),
            (List{"/headers/CE-id", "/headers/a b", "/headers/c"}));
  EXPECT_EQ(Paths(R"({"url": "http://x", "secrets": "short"})"), List{"/secrets"});
  EXPECT_EQ(Paths(R"({"url": "http://x", "cert_file": "x.pem"})"), List{"/key_file"});
}

}  // namespace
}  // namespace outboard::http
