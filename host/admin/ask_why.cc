// Asks all who know of an event what became of it.
#include <utility>

#include "absl/strings/str_cat.h"
#include "host/admin/admin_service.h"
#include "host/admin/grpc_status.h"
#include "host/admin/why.h"

namespace outboard::admin {
namespace {

constexpr int kMaxIds = 1000;

}  // namespace

grpc::Status AdminService::Why(grpc::ServerContext*, const host::v1::WhyRequest* request,
                               host::v1::WhyResponse* response) {
  if (request->event_ids().empty() || request->event_ids_size() > kMaxIds) {
    return ToGrpc(absl::InvalidArgumentError(absl::StrCat(
        request->event_ids_size(), " ids of events: give at least one, at most ", kMaxIds)));
  }
  WhyFacts facts;
  facts.source = request->source();
  facts.ids.insert(request->event_ids().begin(), request->event_ids().end());
  const auto note = [&facts](const char* whom, const absl::Status& status) {
    facts.problems.push_back(absl::StrCat(whom, ": ", status.message()));
  };
  // What is with a lane first: what ends meanwhile, the others know of.
  const Snapshot snapshot = host_.take();
  for (const LaneSnapshot& lane : snapshot.lanes)
    facts.lane_states[lane.lane.name] = lane.lane.state;
  facts.live = host_.find(facts.ids);
  if (host_.lineage != nullptr) {
    facts.keeps_lineage = true;
    absl::StatusOr<lineage::Store::Found> found = host_.lineage->Find(facts.ids);
    if (found.ok()) {
      facts.lineage = *std::move(found);
    } else {
      note("what this host has kept", found.status());
    }
  }
  absl::StatusOr<bus::FoundEvents> found = bus_->FindEvents(facts.ids);
  if (found.ok()) {
    facts.bus = *std::move(found);
  } else {
    note("the bus's log", found.status());
  }
  // All of them: what no one decodes has no id to ask for.
  const absl::Status letters = bus_->ForEachDead({}, [&](const bus::DeadLetter& letter) {
    if (facts.ids.contains(letter.event.id())) {
      facts.letters.push_back(letter);
    } else if (letter.event.empty()) {
      facts.raw_letters.push_back(letter);
      facts.raw_letters.back().raw.clear();
    }
  });
  if (!letters.ok()) note("dead letters", letters);
  *response = ToWhy(facts);
  return grpc::Status::OK;
}

}  // namespace outboard::admin
