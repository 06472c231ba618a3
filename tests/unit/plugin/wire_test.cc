// Holds the host's view of frames, with events as bytes, and the public protos to the same wire:
// field by field, and by frames that go from one view to the other and back.
#include <gmock/gmock.h>
#include <google/protobuf/descriptor.h>
#include <google/protobuf/util/message_differencer.h>
#include <gtest/gtest.h>

#include <set>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "host/plugin/wire.pb.h"
#include "outboard/host/v1/publisher.pb.h"
#include "outboard/plugin/v1/producer.pb.h"
#include "outboard/plugin/v1/stage.pb.h"
#include "outboard/plugin/v1/worker.pb.h"

namespace outboard::plugin {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::util::MessageDifferencer;
using ::testing::IsEmpty;

// How the value of a field is encoded; what differs in this cannot be read by the other view.
std::string Encoding(const FieldDescriptor& field) {
  switch (field.type()) {
    case FieldDescriptor::TYPE_ENUM:
    case FieldDescriptor::TYPE_INT32:
    case FieldDescriptor::TYPE_INT64:
    case FieldDescriptor::TYPE_UINT32:
    case FieldDescriptor::TYPE_UINT64:
    case FieldDescriptor::TYPE_BOOL: return "varint";
    case FieldDescriptor::TYPE_SINT32:
    case FieldDescriptor::TYPE_SINT64: return "zigzag";
    case FieldDescriptor::TYPE_FIXED32:
    case FieldDescriptor::TYPE_SFIXED32:
    case FieldDescriptor::TYPE_FLOAT: return "32 bits";
    case FieldDescriptor::TYPE_FIXED64:
    case FieldDescriptor::TYPE_SFIXED64:
    case FieldDescriptor::TYPE_DOUBLE: return "64 bits";
    case FieldDescriptor::TYPE_STRING:
    case FieldDescriptor::TYPE_BYTES:
    case FieldDescriptor::TYPE_MESSAGE: return "length";
    case FieldDescriptor::TYPE_GROUP: return "group";
  }
  return "";
}

const std::set<std::string> kSpliced = {"outboard.event.v1.Event", "outboard.plugin.v1.Call",
                                        "outboard.plugin.v1.Payload", "outboard.plugin.v1.Offset",
                                        "google.protobuf.Timestamp"};

std::string Shape(const FieldDescriptor& field) {
  return absl::StrCat(field.is_repeated()    ? "repeated "
                      : field.has_presence() ? "optional "
                                             : "",
                      field.is_packed() ? "packed " : "", Encoding(field));
}

// The host reads this field as plain bytes though it is a message, which it passes on as it came.
bool IsSpliced(const FieldDescriptor& host, const FieldDescriptor& open) {
  return host.type() == FieldDescriptor::TYPE_BYTES &&
         open.type() == FieldDescriptor::TYPE_MESSAGE &&
         kSpliced.count(open.message_type()->full_name()) > 0;
}

void Compare(const Descriptor& host, const Descriptor& open, std::vector<std::string>* differences);

void CompareField(const FieldDescriptor& host, const FieldDescriptor& open,
                  std::vector<std::string>* differences) {
  const std::string where = absl::StrCat(open.full_name(), " = ", open.number());
  if (IsSpliced(host, open)) {
    if (open.is_repeated() && !host.is_repeated()) differences->push_back(where + ": repeated");
    return;
  }
  if (Shape(host) != Shape(open)) {
    differences->push_back(absl::StrCat(where, ": ", Shape(host), " is not ", Shape(open)));
    return;
  }
  if (open.type() != FieldDescriptor::TYPE_MESSAGE) return;
  if (host.type() != FieldDescriptor::TYPE_MESSAGE) {
    differences->push_back(where + ": only events are bytes");
  } else if (host.message_type() != open.message_type()) {
    Compare(*host.message_type(), *open.message_type(), differences);
  }
}

// Every field of either message is in the other one under the same number.
void Compare(const Descriptor& host, const Descriptor& open,
             std::vector<std::string>* differences) {
  for (int i = 0; i < open.field_count(); ++i) {
    const FieldDescriptor* same = host.FindFieldByNumber(open.field(i)->number());
    if (same == nullptr) {
      differences->push_back(open.field(i)->full_name() + ": missing in " + host.full_name());
    } else {
      CompareField(*same, *open.field(i), differences);
    }
  }
  for (int i = 0; i < host.field_count(); ++i) {
    // One message of the host's reads the verdicts of all roles.
    const bool of_another_role = host.full_name() == "outboard.wire.Verdict";
    if (!of_another_role && open.FindFieldByNumber(host.field(i)->number()) == nullptr) {
      differences->push_back(host.field(i)->full_name() + ": missing in " + open.full_name());
    }
  }
}

template <typename Host, typename Open>
std::vector<std::string> Differences() {
  std::vector<std::string> differences;
  Compare(*Host::descriptor(), *Open::descriptor(), &differences);
  return differences;
}

TEST(WireTest, RequestsOfAllRolesHaveTheSameFields) {
  EXPECT_THAT((Differences<wire::Request, v1::HandleRequest>()), IsEmpty());
  EXPECT_THAT((Differences<wire::Request, v1::ProcessRequest>()), IsEmpty());
  EXPECT_THAT((Differences<wire::Request, v1::ProduceRequest>()), IsEmpty());
}

TEST(WireTest, ResponsesOfAllRolesHaveTheSameFields) {
  EXPECT_THAT((Differences<wire::Response, v1::HandleResponse>()), IsEmpty());
  EXPECT_THAT((Differences<wire::Response, v1::ProcessResponse>()), IsEmpty());
  EXPECT_THAT((Differences<wire::Response, v1::ProduceResponse>()), IsEmpty());
}

TEST(WireTest, PublishRequestsHaveTheSameFields) {
  EXPECT_THAT((Differences<wire::PublishRequest, host::v1::PublishRequest>()), IsEmpty());
  EXPECT_THAT((Differences<wire::PublishStreamRequest, host::v1::PublishStreamRequest>()),
              IsEmpty());
}

TEST(WireTest, TheComparisonSeesWhatDiffers) {
  EXPECT_FALSE((Differences<wire::Request, v1::HandleResponse>()).empty());
  EXPECT_FALSE((Differences<wire::PublishRequest, host::v1::PublishStreamRequest>()).empty());
}

// ---- Round trips
// ---------------------------------------------------------------------------------

// Gives every field of the message, at any depth, a value that is not its default.
class Filler {
 public:
  explicit Filler(int depth = 6) : depth_(depth) {}

  void Fill(Message* message) {
    if (depth_ == 0) return;
    --depth_;
    const Descriptor* descriptor = message->GetDescriptor();
    for (int i = 0; i < descriptor->field_count(); ++i) {
      const FieldDescriptor* field = descriptor->field(i);
      const int times = field->is_repeated() ? 3 : 1;
      for (int n = 0; n < times; ++n) Set(message, *field);
    }
    ++depth_;
  }

 private:
  void Set(Message* message, const FieldDescriptor& field) {
    const auto* r = message->GetReflection();
    const uint64_t number = next_ += 1'000'003;
    const std::string text = absl::StrCat("text ", number);
    const bool add = field.is_repeated();
    switch (field.cpp_type()) {
      case FieldDescriptor::CPPTYPE_INT32:
        add ? r->AddInt32(message, &field, static_cast<int32_t>(number))
            : r->SetInt32(message, &field, static_cast<int32_t>(number));
        break;
      case FieldDescriptor::CPPTYPE_INT64:
        add ? r->AddInt64(message, &field, static_cast<int64_t>(number))
            : r->SetInt64(message, &field, static_cast<int64_t>(number));
        break;
      case FieldDescriptor::CPPTYPE_UINT32:
        add ? r->AddUInt32(message, &field, static_cast<uint32_t>(number))
            : r->SetUInt32(message, &field, static_cast<uint32_t>(number));
        break;
      case FieldDescriptor::CPPTYPE_UINT64:
        add ? r->AddUInt64(message, &field, number << 20)
            : r->SetUInt64(message, &field, number << 20);
        break;
      case FieldDescriptor::CPPTYPE_BOOL:
        add ? r->AddBool(message, &field, true) : r->SetBool(message, &field, true);
        break;
      case FieldDescriptor::CPPTYPE_ENUM:
        add ? r->AddEnumValue(message, &field, 1) : r->SetEnumValue(message, &field, 1);
        break;
      case FieldDescriptor::CPPTYPE_STRING:
        add ? r->AddString(message, &field, text) : r->SetString(message, &field, text);
        break;
      case FieldDescriptor::CPPTYPE_MESSAGE:
        Fill(add ? r->AddMessage(message, &field) : r->MutableMessage(message, &field));
        break;
      case FieldDescriptor::CPPTYPE_FLOAT:
      case FieldDescriptor::CPPTYPE_DOUBLE: FAIL() << field.full_name() << ": not expected";
    }
  }

  int depth_;
  uint64_t next_ = 0;
};

// No field of `message` is unknown to it, at any depth.
bool KnowsAll(const Message& message) {
  const auto* r = message.GetReflection();
  if (!r->GetUnknownFields(message).empty()) return false;
  std::vector<const FieldDescriptor*> fields;
  r->ListFields(message, &fields);
  for (const FieldDescriptor* field : fields) {
    if (field->cpp_type() != FieldDescriptor::CPPTYPE_MESSAGE) continue;
    const int count = field->is_repeated() ? r->FieldSize(message, field) : 1;
    for (int i = 0; i < count; ++i) {
      if (!KnowsAll(field->is_repeated() ? r->GetRepeatedMessage(message, field, i)
                                         : r->GetMessage(message, field)))
        return false;
    }
  }
  return true;
}

// Public frames through the host's view.
template <typename Host, typename Open>
void RoundTrip() {
  Open sent;
  Filler().Fill(&sent);
  Host seen;
  ASSERT_TRUE(seen.ParseFromString(sent.SerializeAsString()));
  EXPECT_TRUE(KnowsAll(seen)) << seen.ShortDebugString();
  Open got;
  ASSERT_TRUE(got.ParseFromString(seen.SerializeAsString()));
  EXPECT_TRUE(MessageDifferencer::Equals(sent, got)) << sent.ShortDebugString() << "\n"
                                                     << got.ShortDebugString();
}

TEST(WireTest, FullFramesPassThroughTheHostsViewUnchanged) {
  RoundTrip<wire::Request, v1::HandleRequest>();
  RoundTrip<wire::Request, v1::ProcessRequest>();
  RoundTrip<wire::Request, v1::ProduceRequest>();
  RoundTrip<wire::Response, v1::HandleResponse>();
  RoundTrip<wire::PublishRequest, host::v1::PublishRequest>();
  RoundTrip<wire::PublishStreamRequest, host::v1::PublishStreamRequest>();
}

TEST(WireTest, AnEventOfTheHostIsTheEventOfAPlugin) {
  outboard::event::v1::Event event;
  Filler().Fill(&event);
  wire::Request request;
  wire::Delivery* delivery = request.add_deliveries();
  delivery->set_delivery_id(12);
  delivery->set_event(event.SerializeAsString());
  delivery->set_attempt(2);
  v1::HandleRequest got;
  ASSERT_TRUE(got.ParseFromString(request.SerializeAsString()));
  EXPECT_EQ(got.deliveries(0).delivery_id(), 12u);
  EXPECT_EQ(got.deliveries(0).attempt(), 2u);
  EXPECT_TRUE(MessageDifferencer::Equals(got.deliveries(0).event(), event));
}

TEST(WireTest, AnEmitOfAPluginReachesTheHostAsItsBytes) {
  v1::HandleResponse response;
  v1::WorkerVerdict* verdict = response.add_verdicts();
  verdict->set_outcome(v1::WorkerVerdict::OUTCOME_DONE);
  verdict->add_emits()->set_type("story.indexed");
  wire::Response got;
  ASSERT_TRUE(got.ParseFromString(response.SerializeAsString()));
  EXPECT_EQ(got.verdicts(0).outcome(), int{v1::WorkerVerdict::OUTCOME_DONE});
  EXPECT_EQ(got.verdicts(0).payloads(0), verdict->emits(0).SerializeAsString());
}

TEST(WireTest, AnEmptyEmitIsStillAnEmit) {
  v1::HandleResponse response;
  response.add_verdicts()->add_emits();
  wire::Response got;
  ASSERT_TRUE(got.ParseFromString(response.SerializeAsString()));
  ASSERT_EQ(got.verdicts(0).payloads_size(), 1);
}

TEST(WireTest, AWindowOfZeroIsNotTheSameAsNone) {
  v1::HandleResponse response;
  wire::Response got;
  ASSERT_TRUE(got.ParseFromString(response.SerializeAsString()));
  EXPECT_FALSE(got.has_window());
  response.set_window(0);
  ASSERT_TRUE(got.ParseFromString(response.SerializeAsString()));
  EXPECT_TRUE(got.has_window());
}

}  // namespace
}  // namespace outboard::plugin
