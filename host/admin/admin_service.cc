#include "host/admin/admin_service.h"

#include <algorithm>
#include <set>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "host/admin/status_proto.h"
#include "host/base/log.h"
#include "host/base/status.h"
#include "host/route/filter.h"

namespace outboard::admin {
namespace {

constexpr uint32_t kDefaultPage = 100;
constexpr uint32_t kMaxPage = 1000;
constexpr size_t kTailBatch = 256;
constexpr auto kTailPause = std::chrono::milliseconds(50);

grpc::Status ToGrpc(const absl::Status& status) {
  if (status.ok()) return grpc::Status::OK;
  return grpc::Status(static_cast<grpc::StatusCode>(status.code()), std::string(status.message()));
}

void SetTime(Time time, google::protobuf::Timestamp* out) {
  const int64_t micros = time.time_since_epoch().count();
  out->set_seconds(micros / 1'000'000);
  out->set_nanos(static_cast<int32_t>(micros % 1'000'000) * 1000);
}

void SetEvent(const Event& event, event::v1::Event* out) {
  // Our own bytes, checked when they came in.
  out->ParseFromArray(event.bytes().data(), static_cast<int>(event.size()));
}

bus::DeadFilter ToFilter(const host::v1::DeadFilter& in) {
  bus::DeadFilter filter;
  filter.lane = in.lane();
  filter.reason = in.reason();
  filter.ids.assign(in.dead_ids().begin(), in.dead_ids().end());
  return filter;
}

// NOT_FOUND if the filter names an id that no letter has that it takes.
absl::Status CheckIds(bus::Bus& bus, const bus::DeadFilter& filter) {
  if (filter.ids.empty()) return absl::OkStatus();
  OUTBOARD_ASSIGN_OR_RETURN(const std::vector<bus::DeadLetter> letters,
                            bus.ListDead(filter, 0, filter.ids.size(), nullptr));
  std::set<uint64_t> missing(filter.ids.begin(), filter.ids.end());
  for (const bus::DeadLetter& letter : letters) missing.erase(letter.id);
  if (missing.empty()) return absl::OkStatus();
  return absl::NotFoundError(
      absl::StrCat("no dead letter ", *missing.begin(),
                   filter.lane.empty() ? "" : absl::StrCat(" of lane ", filter.lane),
                   filter.reason.empty() ? "" : absl::StrCat(" with reason ", filter.reason),
                   ", and none was replayed: `outboard dead list` shows which there are"));
}

// How many letters the filter takes, which names no lane, of lanes that no route makes.
absl::StatusOr<uint64_t> CountOfNoRoute(bus::Bus& bus, const bus::DeadFilter& filter) {
  uint64_t left = 0;
  OUTBOARD_RETURN_IF_ERROR(bus.ListDead(filter, 0, 0, &left).status());
  if (left == 0) return 0;
  OUTBOARD_ASSIGN_OR_RETURN(const std::vector<bus::LaneInfo> lanes, bus.Lanes());
  for (const bus::LaneInfo& lane : lanes) {
    if (lane.orphan || lane.dead == 0) continue;
    bus::DeadFilter of_lane = filter;
    of_lane.lane = lane.name;
    uint64_t count = 0;
    OUTBOARD_RETURN_IF_ERROR(bus.ListDead(of_lane, 0, 0, &count).status());
    left -= std::min(left, count);  // Letters may have died between the two looks.
  }
  return left;
}

void ToProto(const bus::DeadLetter& in, bool whole, host::v1::DeadLetter* out) {
  out->set_dead_id(in.id);
  out->set_lane(in.lane);
  out->set_event_id(std::string(in.event.id()));
  out->set_event_type(std::string(in.event.type()));
  out->set_event_source(std::string(in.event.source()));
  out->set_reason(in.why.reason);
  out->set_message(RedactSecrets(in.why.message));
  out->set_attempts(in.attempts);
  SetTime(in.died_at, out->mutable_died_at());
  if (!whole) return;
  out->set_detail(RedactSecrets(in.why.detail));
  out->set_raw(in.raw);
  if (!in.event.empty()) SetEvent(in.event, out->mutable_event());
}

}  // namespace

grpc::Status AdminService::GetStatus(grpc::ServerContext*, const host::v1::GetStatusRequest*,
                                     host::v1::GetStatusResponse* response) {
  *response = ToStatus(take_());
  return grpc::Status::OK;
}

grpc::Status AdminService::ListLanes(grpc::ServerContext*, const host::v1::ListLanesRequest*,
                                     host::v1::ListLanesResponse* response) {
  host::v1::GetStatusResponse status = ToStatus(take_());
  response->mutable_lanes()->Swap(status.mutable_lanes());
  return grpc::Status::OK;
}

grpc::Status AdminService::Tail(grpc::ServerContext* context, const host::v1::TailRequest* request,
                                grpc::ServerWriter<host::v1::TailResponse>* writer) {
  route::Filter filter;
  for (const std::string& type : request->types()) {
    const absl::Status valid = route::ValidatePattern(type);
    if (!valid.ok()) return ToGrpc(valid);
    filter.types.push_back(type);
  }
  uint64_t next = bus_->NextOffset();
  next -= std::min<uint64_t>(request->last(), next > 0 ? next - 1 : 0);
  while (!context->IsCancelled() && !stopping_) {
    absl::StatusOr<std::vector<bus::LoggedEvent>> events = bus_->ReadLog(next, kTailBatch);
    if (!events.ok()) return ToGrpc(events.status());
    for (const bus::LoggedEvent& logged : *events) {
      next = logged.offset + 1;
      if (!route::Matches(filter, logged.event.source(), logged.event.type())) continue;
      host::v1::TailResponse response;
      SetEvent(logged.event, response.mutable_event());
      response.set_offset(logged.offset);
      SetTime(logged.accepted_at, response.mutable_accepted_at());
      if (!writer->Write(response)) return grpc::Status::OK;
    }
    if (events->empty()) std::this_thread::sleep_for(kTailPause);
  }
  return grpc::Status::OK;
}

grpc::Status AdminService::ListDead(grpc::ServerContext*, const host::v1::ListDeadRequest* request,
                                    host::v1::ListDeadResponse* response) {
  const uint32_t limit =
      request->limit() == 0 ? kDefaultPage : std::min(request->limit(), kMaxPage);
  uint64_t total = 0;
  absl::StatusOr<std::vector<bus::DeadLetter>> letters =
      bus_->ListDead(ToFilter(request->filter()), request->after(), limit, &total);
  if (!letters.ok()) return ToGrpc(letters.status());
  for (const bus::DeadLetter& letter : *letters) ToProto(letter, false, response->add_letters());
  response->set_total(total);
  return grpc::Status::OK;
}

grpc::Status AdminService::GetDead(grpc::ServerContext*, const host::v1::GetDeadRequest* request,
                                   host::v1::GetDeadResponse* response) {
  bus::DeadFilter filter;
  filter.ids = {request->dead_id()};
  uint64_t total = 0;
  absl::StatusOr<std::vector<bus::DeadLetter>> letters = bus_->ListDead(filter, 0, 1, &total);
  if (!letters.ok()) return ToGrpc(letters.status());
  if (letters->empty()) {
    return ToGrpc(absl::NotFoundError(absl::StrCat(
        "no dead letter ", request->dead_id(), ": `outboard dead list` shows which there are")));
  }
  ToProto(letters->front(), true, response->mutable_letter());
  return grpc::Status::OK;
}

grpc::Status AdminService::ReplayDead(grpc::ServerContext*,
                                      const host::v1::ReplayDeadRequest* request,
                                      host::v1::ReplayDeadResponse* response) {
  const bus::DeadFilter filter = ToFilter(request->filter());
  if (absl::Status status = CheckIds(*bus_, filter); !status.ok()) return ToGrpc(status);
  const absl::StatusOr<uint64_t> count = bus_->ReplayDead(filter);
  if (!count.ok()) return ToGrpc(count.status());
  response->set_replayed(*count);
  // Of a filter that names lanes or ids the bus refuses letters that would stay.
  if (!filter.lane.empty() || !filter.ids.empty()) return grpc::Status::OK;
  const absl::StatusOr<uint64_t> stayed = CountOfNoRoute(*bus_, filter);
  if (stayed.ok()) response->set_stayed(*stayed);  // What was replayed is so in any case.
  return grpc::Status::OK;
}

grpc::Status AdminService::PurgeDead(grpc::ServerContext*,
                                     const host::v1::PurgeDeadRequest* request,
                                     host::v1::PurgeDeadResponse* response) {
  const absl::StatusOr<uint64_t> count = bus_->PurgeDead(ToFilter(request->filter()));
  if (!count.ok()) return ToGrpc(count.status());
  response->set_purged(*count);
  return grpc::Status::OK;
}

grpc::Status AdminService::ForgetLane(grpc::ServerContext*,
                                      const host::v1::ForgetLaneRequest* request,
                                      host::v1::ForgetLaneResponse* response) {
  using Request = host::v1::ForgetLaneRequest;
  bus::Remainder remainder = bus::Remainder::kRefuse;
  if (request->remainder() == Request::REMAINDER_DISCARD) remainder = bus::Remainder::kDiscard;
  if (request->remainder() == Request::REMAINDER_TO_DEAD) remainder = bus::Remainder::kToDead;
  const absl::StatusOr<bus::Forgotten> forgotten = bus_->ForgetLane(request->lane(), remainder);
  if (!forgotten.ok()) return ToGrpc(forgotten.status());
  response->set_discarded(forgotten->discarded);
  response->set_to_dead(forgotten->to_dead);
  return grpc::Status::OK;
}

}  // namespace outboard::admin
