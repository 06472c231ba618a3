#pragma once

#include <atomic>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "host/access/tokens.h"
#include "host/admin/snapshot.h"
#include "host/bus/bus.h"
#include "outboard/host/v1/admin.grpc.pb.h"

namespace outboard::admin {

// What the running host does for it; any thread, and each may block.
struct HostHooks {
  TakeSnapshot take;
  // NOT_FOUND: there is no such lane.
  std::function<absl::Status(const std::string& lane, bool paused, host::v1::PauseLaneResponse*)>
      pause_lane;
  std::function<void()> dead_left;  // Dead letters were replayed or purged; does not block.
  std::function<absl::Status(const host::v1::ReloadRequest&, host::v1::ReloadResponse*)> reload;
  // Where events of these ids are in its lanes.
  std::function<std::vector<shard::LaneEvent>(const absl::flat_hash_set<std::string>& ids)> find;
  lineage::Store* lineage = nullptr;  // Outlives the service; null: nothing is kept.
};

// AdminService over a bus and a host; a synchronous service, since its calls read disks. `bus`
// outlives it. Dead letters: dead_letters.cc; Why: ask_why.cc.
class AdminService final : public host::v1::AdminService::Service {
 public:
  // `limits`: of events that people edit.
  AdminService(bus::Bus* bus, EventLimits limits, HostHooks host)
      : bus_(bus), limits_(limits), host_(std::move(host)) {}

  // Ends the Tail calls, so that the server can stop.
  void Stop() { stopping_ = true; }

  grpc::Status GetStatus(grpc::ServerContext*, const host::v1::GetStatusRequest*,
                         host::v1::GetStatusResponse* response) override;
  grpc::Status Tail(grpc::ServerContext* context, const host::v1::TailRequest* request,
                    grpc::ServerWriter<host::v1::TailResponse>* writer) override {
    return TailOf(context, request, writer, nullptr);
  }
  // The same until whoever visits may not come any more.
  grpc::Status TailOf(grpc::ServerContext* context, const host::v1::TailRequest* request,
                      grpc::ServerWriter<host::v1::TailResponse>* writer,
                      const access::Visit* visit);
  grpc::Status ListDead(grpc::ServerContext*, const host::v1::ListDeadRequest* request,
                        host::v1::ListDeadResponse* response) override;
  grpc::Status GroupDead(grpc::ServerContext*, const host::v1::GroupDeadRequest* request,
                         host::v1::GroupDeadResponse* response) override;
  grpc::Status GetDead(grpc::ServerContext*, const host::v1::GetDeadRequest* request,
                       host::v1::GetDeadResponse* response) override;
  grpc::Status EditDead(grpc::ServerContext*, const host::v1::EditDeadRequest* request,
                        host::v1::EditDeadResponse* response) override;
  grpc::Status ReplayDead(grpc::ServerContext*, const host::v1::ReplayDeadRequest* request,
                          host::v1::ReplayDeadResponse* response) override;
  grpc::Status PurgeDead(grpc::ServerContext*, const host::v1::PurgeDeadRequest* request,
                         host::v1::PurgeDeadResponse* response) override;
  grpc::Status Why(grpc::ServerContext*, const host::v1::WhyRequest* request,
                   host::v1::WhyResponse* response) override;
  grpc::Status ListLanes(grpc::ServerContext*, const host::v1::ListLanesRequest*,
                         host::v1::ListLanesResponse* response) override;
  grpc::Status ForgetLane(grpc::ServerContext*, const host::v1::ForgetLaneRequest* request,
                          host::v1::ForgetLaneResponse* response) override;
  grpc::Status PauseLane(grpc::ServerContext*, const host::v1::PauseLaneRequest* request,
                         host::v1::PauseLaneResponse* response) override;
  grpc::Status Reload(grpc::ServerContext*, const host::v1::ReloadRequest* request,
                      host::v1::ReloadResponse* response) override;

 private:
  absl::StatusOr<bus::DeadLetter> FindDead(uint64_t id) const;
  absl::Status ReplaySome(const host::v1::ReplayDeadRequest& request,
                          host::v1::ReplayDeadResponse* response) const;
  absl::Status CountReplay(const bus::DeadFilter& filter,
                           host::v1::ReplayDeadResponse* response) const;
  absl::Status Edit(const host::v1::EditDeadRequest& request,
                    host::v1::EditDeadResponse* response) const;

  bus::Bus* const bus_;
  const EventLimits limits_;
  const HostHooks host_;
  std::atomic<bool> stopping_{false};
};

}  // namespace outboard::admin
