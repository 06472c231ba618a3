// AdminService: dead letters.
#include <algorithm>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "host/admin/admin_service.h"
#include "host/admin/dead_proto.h"
#include "host/admin/grpc_status.h"
#include "host/base/status.h"
#include "host/bus/dead_group.h"
#include "host/event/wire.h"

namespace outboard::admin {
namespace {

constexpr uint32_t kDefaultPage = 100;
constexpr uint32_t kMaxPage = 1000;
// Of what people made of a dead letter: its id.
constexpr char kEditedAttribute[] = "outboardedited";

// NOT_FOUND if the filter names an id that no letter has that it takes. `done`: what happened to
// none.
absl::Status CheckIds(bus::Bus& bus, const bus::DeadFilter& filter, const char* done) {
  if (filter.ids.empty()) return absl::OkStatus();
  OUTBOARD_ASSIGN_OR_RETURN(const std::vector<bus::DeadLetter> letters,
                            bus.ListDead(filter, 0, filter.ids.size(), nullptr));
  std::set<uint64_t> missing;
  for (const uint64_t id : filter.ids) {
    if (id > filter.after && (filter.up_to == 0 || id <= filter.up_to)) missing.insert(id);
  }
  for (const bus::DeadLetter& letter : letters) missing.erase(letter.id);
  if (missing.empty()) return absl::OkStatus();
  return absl::NotFoundError(
      absl::StrCat("no dead letter ", *missing.begin(),
                   filter.lane.empty() ? "" : absl::StrCat(" of lane ", filter.lane),
                   filter.reason.empty() ? "" : absl::StrCat(" with reason ", filter.reason),
                   ", and none was ", done, ": `outboard dead list` shows which there are"));
}

// What makes the event of `letter` what a replay is to give back.
absl::StatusOr<Event> CheckEdit(const bus::DeadLetter& letter, event::v1::Event edited,
                                const EventLimits& limits) {
  if (letter.event.empty()) {
    return absl::FailedPreconditionError(absl::StrCat(
        "dead letter ", letter.id,
        " could not be decoded, so there is no event to edit: publish a right one, and "
        "purge the letter"));
  }
  (*edited.mutable_attributes())[kEditedAttribute].set_ce_string(absl::StrCat(letter.id));
  OUTBOARD_ASSIGN_OR_RETURN(Event event, CheckEvent(edited.SerializeAsString(), limits));
  const Event& was = letter.event;
  if (event.id() == was.id() && event.source() == was.source() && event.type() == was.type())
    return event;
  return absl::InvalidArgumentError(
      absl::StrCat("id, source and type of dead letter ", letter.id, " must stay what they were (",
                   was.id(), ", ", was.source(), ", ", was.type(),
                   "), as they say which lane it is for: publish another event instead"));
}

}  // namespace

grpc::Status AdminService::ListDead(grpc::ServerContext*, const host::v1::ListDeadRequest* request,
                                    host::v1::ListDeadResponse* response) {
  const uint32_t limit =
      request->limit() == 0 ? kDefaultPage : std::min(request->limit(), kMaxPage);
  const absl::StatusOr<bus::DeadFilter> filter = ToFilter(request->filter());
  if (!filter.ok()) return ToGrpc(filter.status());
  uint64_t total = 0;
  absl::StatusOr<std::vector<bus::DeadLetter>> letters =
      bus_->ListDead(*filter, request->after(), limit, &total);
  if (!letters.ok()) return ToGrpc(letters.status());
  for (const bus::DeadLetter& letter : *letters) ToProto(letter, false, response->add_letters());
  response->set_total(total);
  return grpc::Status::OK;
}

grpc::Status AdminService::GroupDead(grpc::ServerContext*,
                                     const host::v1::GroupDeadRequest* request,
                                     host::v1::GroupDeadResponse* response) {
  const absl::StatusOr<bus::DeadFilter> filter = ToFilter(request->filter());
  if (!filter.ok()) return ToGrpc(filter.status());
  bus::DeadGroups groups;
  const absl::Status status =
      bus_->ForEachDead(*filter, [&](const bus::DeadLetter& letter) { groups.Add(letter); });
  if (!status.ok()) return ToGrpc(status);
  for (const bus::DeadGroup& group : groups.Take()) ToProto(group, response->add_groups());
  response->set_left_out(groups.left_out());
  return grpc::Status::OK;
}

absl::StatusOr<bus::DeadLetter> AdminService::FindDead(uint64_t id) const {
  OUTBOARD_ASSIGN_OR_RETURN(std::vector<bus::DeadLetter> letters,
                            bus_->ListDead({.ids = {id}}, 0, 1, nullptr));
  if (!letters.empty()) return std::move(letters.front());
  return absl::NotFoundError(
      absl::StrCat("no dead letter ", id, ": `outboard dead list` shows which there are"));
}

grpc::Status AdminService::GetDead(grpc::ServerContext*, const host::v1::GetDeadRequest* request,
                                   host::v1::GetDeadResponse* response) {
  const absl::StatusOr<bus::DeadLetter> letter = FindDead(request->dead_id());
  if (!letter.ok()) return ToGrpc(letter.status());
  ToProto(*letter, true, response->mutable_letter());
  return grpc::Status::OK;
}

grpc::Status AdminService::EditDead(grpc::ServerContext*, const host::v1::EditDeadRequest* request,
                                    host::v1::EditDeadResponse* response) {
  const absl::Status status = Edit(*request, response);
  return status.ok() ? grpc::Status::OK : ToGrpc(status);
}

absl::Status AdminService::Edit(const host::v1::EditDeadRequest& request,
                                host::v1::EditDeadResponse* response) const {
  OUTBOARD_ASSIGN_OR_RETURN(bus::DeadLetter letter, FindDead(request.dead_id()));
  Event event;
  if (request.has_event()) {
    OUTBOARD_ASSIGN_OR_RETURN(event, CheckEdit(letter, request.event(), limits_));
  }
  OUTBOARD_RETURN_IF_ERROR(bus_->EditDead(letter.id, event));
  letter.edited = std::move(event);
  ToProto(letter, true, response->mutable_letter());
  return absl::OkStatus();
}

grpc::Status AdminService::ReplayDead(grpc::ServerContext*,
                                      const host::v1::ReplayDeadRequest* request,
                                      host::v1::ReplayDeadResponse* response) {
  const absl::Status status = ReplaySome(*request, response);
  return status.ok() ? grpc::Status::OK : ToGrpc(status);
}

absl::Status AdminService::ReplaySome(const host::v1::ReplayDeadRequest& request,
                                      host::v1::ReplayDeadResponse* response) const {
  OUTBOARD_ASSIGN_OR_RETURN(const bus::DeadFilter filter, ToFilter(request.filter()));
  OUTBOARD_RETURN_IF_ERROR(CheckIds(*bus_, filter, "replayed"));
  if (request.dry_run()) return CountReplay(filter, response);
  OUTBOARD_ASSIGN_OR_RETURN(
      const bus::Replayed replayed,
      bus_->ReplayBatch(filter, request.limit() == 0 ? SIZE_MAX : request.limit()));
  host_.dead_left();
  response->set_replayed(replayed.count);
  response->set_stayed(replayed.stayed);
  response->set_last_dead_id(replayed.last);
  return absl::OkStatus();
}

absl::Status AdminService::CountReplay(const bus::DeadFilter& filter,
                                       host::v1::ReplayDeadResponse* response) const {
  OUTBOARD_ASSIGN_OR_RETURN(const std::vector<bus::LaneInfo> lanes, bus_->Lanes());
  std::set<std::string> declared;
  for (const bus::LaneInfo& lane : lanes) {
    if (!lane.orphan) declared.insert(lane.name);
  }
  uint64_t replayed = 0, stayed = 0, last = 0;
  OUTBOARD_RETURN_IF_ERROR(bus_->ForEachDead(filter, [&](const bus::DeadLetter& letter) {
    ++(declared.contains(letter.lane) ? replayed : stayed);
    last = std::max(last, letter.id);
  }));
  response->set_replayed(replayed);
  response->set_stayed(stayed);
  response->set_last_dead_id(last);
  return absl::OkStatus();
}

grpc::Status AdminService::PurgeDead(grpc::ServerContext*,
                                     const host::v1::PurgeDeadRequest* request,
                                     host::v1::PurgeDeadResponse* response) {
  const absl::StatusOr<bus::DeadFilter> filter = ToFilter(request->filter());
  if (!filter.ok()) return ToGrpc(filter.status());
  if (absl::Status status = CheckIds(*bus_, *filter, "deleted"); !status.ok())
    return ToGrpc(status);
  if (request->dry_run()) {
    uint64_t count = 0, last = 0;
    const absl::Status status = bus_->ForEachDead(*filter, [&](const bus::DeadLetter& letter) {
      ++count;
      last = std::max(last, letter.id);
    });
    response->set_purged(count);
    response->set_last_dead_id(last);
    return status.ok() ? grpc::Status::OK : ToGrpc(status);
  }
  const absl::StatusOr<uint64_t> count = bus_->PurgeDead(*filter);
  if (!count.ok()) return ToGrpc(count.status());
  host_.dead_left();
  response->set_purged(*count);
  return grpc::Status::OK;
}

}  // namespace outboard::admin
