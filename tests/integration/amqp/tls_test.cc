#include <filesystem>

#include "tests/integration/amqp/fixture.h"
#include "tests/integration/amqp/tls_gate.h"

namespace outboard::bus::amqp {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

class TlsTest : public AmqpTest {
 protected:
  TlsTest() {
    std::filesystem::create_directories(folder_);
    ca_.Write(folder_, "ca");
    client_.Write(folder_, "client");
    other_ca_.Write(folder_, "other");
  }
  ~TlsTest() override { std::filesystem::remove_all(folder_); }

  std::string File(const std::string& name) const { return folder_ + "/" + name + ".pem"; }
  // To the gate by that host, trusting the CA.
  ConnectionOptions To(const TlsGate& gate, const std::string& host) const {
    ConnectionOptions options = Options();
    options.endpoints = {{host, gate.port()}};
    options.tls.on = true;
    options.tls.ca_file = File("ca-cert");
    return options;
  }
  TlsGate Gate(const std::string& names, const Identity* client_ca = nullptr) const {
    return TlsGate(Identity::Make(names, &ca_), client_ca, tests::Broker::Shared().port());
  }
  static void Works(const ConnectionOptions& options) {
    const auto c = Connect(options);
    ASSERT_NE(c, nullptr);
    EXPECT_EQ(c->OpenChannel(1), absl::OkStatus());
  }
  static absl::Status Failure(const ConnectionOptions& options) {
    return Connection::Connect(options).status();
  }

  const std::string folder_ = ::testing::TempDir() + "/tls_test_" + std::to_string(getpid());
  const Identity ca_ = Identity::Make("", nullptr), other_ca_ = Identity::Make("", nullptr);
  const Identity client_ = Identity::Make("DNS:client", &ca_);
};

TEST_F(TlsTest, CarriesMessagesOfAllSizes) {
  const TlsGate gate = Gate("DNS:localhost");
  const auto c = Connect(To(gate, "localhost"));
  ASSERT_NE(c, nullptr);
  ASSERT_EQ(c->OpenChannel(1), absl::OkStatus());
  ASSERT_EQ(c->SelectConfirms(1), absl::OkStatus());
  ASSERT_TRUE(c->DeclareQueue(1, Queue("q")).ok());
  const size_t sizes[] = {0, 1, 16384, 16385, 1u << 20};
  for (const size_t size : sizes) PublishConfirmed(*c, 1, ToQueue("q", std::string(size, 'x')));
  ASSERT_EQ(c->Consume(1, "q", "me"), absl::OkStatus());
  for (const size_t size : sizes) EXPECT_EQ(NextOf<Delivered>(*c).message.body().size(), size);
  EXPECT_TRUE(Nothing(*c));
}

TEST_F(TlsTest, ChecksNamesAndAddresses) {
  Works(To(Gate("IP:127.0.0.1"), "127.0.0.1"));
  const TlsGate gate = Gate("DNS:mq.example");
  ConnectionOptions options = To(gate, "127.0.0.1");
  const absl::Status status = Failure(options);
  EXPECT_TRUE(absl::IsUnavailable(status));
  EXPECT_THAT(Said(status), AllOf(HasSubstr("certificate is not for \"127.0.0.1\""),
                                  HasSubstr("address mismatch"), HasSubstr("bus.tls")));
  options.tls.server_name = "mq.example";
  Works(options);
  options.tls.server_name = "other.example";
  EXPECT_THAT(Said(Failure(options)), AllOf(HasSubstr("certificate is not for \"other.example\""),
                                            HasSubstr("ostname mismatch")));
}

TEST_F(TlsTest, ChecksTheCaUnlessToldNotTo) {
  const TlsGate gate = Gate("DNS:localhost");
  ConnectionOptions options = To(gate, "localhost");
  options.tls.ca_file = File("other-cert");
  const absl::Status status = Failure(options);
  EXPECT_TRUE(absl::IsUnavailable(status));
  EXPECT_THAT(Said(status),
              AllOf(HasSubstr("is not trusted"), HasSubstr("issuer"), HasSubstr("bus.tls")));
  options.tls.ca_file.clear();  // The system's.
  EXPECT_THAT(Said(Failure(options)), HasSubstr("is not trusted"));
  options.tls.verify = false;
  Works(options);
}

TEST_F(TlsTest, ShowsTheClientsCertificate) {
  const TlsGate gate = Gate("DNS:localhost", &ca_);
  ConnectionOptions options = To(gate, "localhost");
  EXPECT_TRUE(absl::IsUnavailable(Failure(options)));
  options.tls.cert_file = File("client-cert");
  options.tls.key_file = File("client-key");
  Works(options);
  options.tls.key_file = File("ca-key");
  const absl::Status status = Failure(options);
  EXPECT_TRUE(absl::IsInvalidArgument(status));
  EXPECT_THAT(Said(status), HasSubstr("ca-key.pem cannot be used (key values mismatch)"));
}

TEST_F(TlsTest, PlainToATlsPortSaysSo) {
  const TlsGate gate = Gate("DNS:localhost");
  ConnectionOptions options = To(gate, "localhost");
  options.tls.on = false;
  EXPECT_THAT(Said(Failure(options)), HasSubstr("amqps://"));
}

}  // namespace
}  // namespace outboard::bus::amqp
