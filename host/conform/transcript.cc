#include "host/conform/transcript.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "host/base/text.h"

namespace outboard::conform {
namespace {

constexpr size_t kTextBytes = 80;
constexpr int kDeliveriesInFull = 3;

std::string Quoted(absl::string_view text) {
  return absl::StrCat("\"", EscapeForPeople(Truncate(text, kTextBytes)), "\"");
}

std::string Seconds(const google::protobuf::Duration& duration) {
  return absl::StrCat(static_cast<double>(duration.seconds()) + duration.nanos() / 1e9, " s");
}

std::string WordsOf(const v1::Delivery& delivery) {
  std::vector<std::string> parts;
  if (delivery.has_call()) {
    parts.push_back(
        absl::StrCat("call ", delivery.call().pipeline(), "/", delivery.call().operation()));
  } else {
    const event::v1::Event& event = delivery.event();
    parts.push_back(absl::StrCat("event ", EscapeForPeople(Truncate(event.id(), 40)), " of type ",
                                 EscapeForPeople(event.type()), ", ", event.binary_data().size(),
                                 " bytes"));
  }
  if (delivery.attempt() != 1) parts.push_back(absl::StrCat("attempt ", delivery.attempt()));
  if (!delivery.order_key().empty()) parts.push_back("order_key " + delivery.order_key());
  if (delivery.has_time_left()) parts.push_back("time_left " + Seconds(delivery.time_left()));
  return absl::StrCat(delivery.delivery_id(), " {", absl::StrJoin(parts, ", "), "}");
}

std::string WordsOf(const v1::Open& open) {
  std::string text =
      absl::StrCat("open{component: ", Quoted(open.component()),
                   ", config_json: ", EscapeForPeople(Truncate(open.config_json(), kTextBytes)));
  if (open.has_time_limit()) absl::StrAppend(&text, ", time_limit: ", Seconds(open.time_limit()));
  return text + "}";
}

std::string WordsOf(const v1::Close& close) {
  std::string text = "close{" + v1::Close::Cause_Name(close.cause()).substr(6);
  if (!close.message().empty()) absl::StrAppend(&text, ", message: ", Quoted(close.message()));
  if (close.has_time_left()) absl::StrAppend(&text, ", time_left: ", Seconds(close.time_left()));
  return text + "}";
}

std::string WordsOf(const v1::Offset& offset) {
  switch (offset.value_case()) {
    case v1::Offset::kIntValue: return absl::StrCat("int ", offset.int_value());
    case v1::Offset::kDoubleValue: return absl::StrCat("double ", offset.double_value());
    case v1::Offset::kStringValue: return "string " + Quoted(offset.string_value());
    case v1::Offset::kBytesValue: return "bytes " + Quoted(offset.bytes_value());
    case v1::Offset::VALUE_NOT_SET: break;
  }
  return "without a value";
}

std::string WordsOf(v1::Role role, const Answer& answer) {
  std::string text = absl::StrCat(answer.id, " ", OutcomeName(role, answer.outcome));
  if (answer.failure) {
    absl::StrAppend(&text, " ", EscapeForPeople(Truncate(answer.failure->reason(), kTextBytes)),
                    " ", Quoted(answer.failure->message()));
  }
  if (answer.retry_after) absl::StrAppend(&text, " retry_after ", *answer.retry_after, " s");
  for (const event::v1::Event& event : answer.events) {
    absl::StrAppend(&text, role == v1::ROLE_STAGE ? " changed event " : " emit ",
                    EscapeForPeople(Truncate(event.id(), 40)), event.id().empty() ? "" : " ",
                    "of type ", EscapeForPeople(event.type()), ", ", event.binary_data().size(),
                    " bytes");
  }
  if (answer.call) {
    absl::StrAppend(&text, " changed call ", EscapeForPeople(answer.call->pipeline()), "/",
                    EscapeForPeople(answer.call->operation()));
  }
  if (answer.payload) absl::StrAppend(&text, " answer ", Quoted(answer.payload->data()));
  if (answer.offset) absl::StrAppend(&text, " offset ", WordsOf(*answer.offset));
  return text;
}

const char* BareName(v1::Role role) {
  if (role == v1::ROLE_STAGE) return "continue_ids";
  return role == v1::ROLE_PRODUCER ? "accepted_ids" : "done_ids";
}

std::string OrEmpty(const std::vector<std::string>& parts) {
  return parts.empty() ? "(an empty frame)" : absl::StrJoin(parts, " ");
}

}  // namespace

void Transcript::Add(Who who, std::string text) {
  Line line{who, std::move(text)};
  if (head_.size() < kHead) return head_.push_back(std::move(line));
  tail_.push_back(std::move(line));
  if (tail_.size() <= kTail) return;
  tail_.pop_front();
  ++left_out_;
}

std::vector<Transcript::Line> Transcript::lines() const {
  std::vector<Line> all = head_;
  if (left_out_ > 0) all.push_back({Who::kHost, absl::StrCat("(", left_out_, " frames left out)")});
  all.insert(all.end(), tail_.begin(), tail_.end());
  return all;
}

std::string Transcript::Last(Who who, size_t count) const {
  std::deque<std::string> last;
  for (const Line& line : lines()) {
    if (line.who != who) continue;
    last.push_back(line.text);
    if (last.size() > count) last.pop_front();
  }
  return absl::StrJoin(last, "; ");
}

std::string WordsOfIds(const std::vector<uint64_t>& ids) {
  std::vector<std::string> parts;
  for (size_t i = 0; i < ids.size();) {
    size_t end = i + 1;
    while (end < ids.size() && ids[end] == ids[end - 1] + 1) ++end;
    if (end - i > 2) {
      parts.push_back(absl::StrCat(ids[i], "..", ids[end - 1]));
    } else {
      for (size_t k = i; k < end; ++k) parts.push_back(absl::StrCat(ids[k]));
    }
    i = end;
    if (parts.size() == 10 && i < ids.size()) {
      parts.push_back("…");
      break;
    }
  }
  return absl::StrJoin(parts, ", ");
}

std::string Words(const HostFrame& frame) {
  std::vector<std::string> parts;
  if (frame.has_open()) parts.push_back(WordsOf(frame.open()));
  if (frame.deliveries_size() > 0) {
    std::vector<std::string> full;
    std::vector<uint64_t> ids;
    for (const v1::Delivery& delivery : frame.deliveries()) {
      ids.push_back(delivery.delivery_id());
      if (frame.deliveries_size() <= kDeliveriesInFull) full.push_back(WordsOf(delivery));
    }
    parts.push_back(absl::StrCat("deliveries[",
                                 full.empty() ? WordsOfIds(ids) : absl::StrJoin(full, ", "), "]"));
  }
  if (frame.cancel_ids_size() > 0) {
    parts.push_back(absl::StrCat(
        "cancel_ids[", WordsOfIds({frame.cancel_ids().begin(), frame.cancel_ids().end()}), "]"));
  }
  if (frame.has_close()) parts.push_back(WordsOf(frame.close()));
  return OrEmpty(parts);
}

std::string Words(v1::Role role, const PluginFrame& frame) {
  std::vector<std::string> parts;
  if (frame.opened)
    parts.push_back(absl::StrCat("opened{instance_id: ", Quoted(*frame.opened), "}"));
  if (!frame.bare_ids.empty()) {
    parts.push_back(absl::StrCat(BareName(role), "[", WordsOfIds(frame.bare_ids), "]"));
  }
  std::vector<std::string> verdicts;
  for (const Answer& answer : frame.verdicts) {
    if (verdicts.size() == 10) {
      verdicts.push_back(absl::StrCat("and ", frame.verdicts.size() - 10, " more"));
      break;
    }
    verdicts.push_back(WordsOf(role, answer));
  }
  if (!verdicts.empty())
    parts.push_back(absl::StrCat("verdicts[", absl::StrJoin(verdicts, ", "), "]"));
  if (!frame.progress_ids.empty()) {
    parts.push_back(absl::StrCat("progress_ids[", WordsOfIds(frame.progress_ids), "]"));
  }
  if (frame.window) parts.push_back(absl::StrCat("window ", *frame.window));
  return OrEmpty(parts);
}

}  // namespace outboard::conform
