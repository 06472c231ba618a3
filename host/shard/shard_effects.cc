// Steps the dispatchers and carries out what they decide.
#include <utility>

#include "host/base/log.h"
#include "host/shard/shard_impl.h"

namespace outboard::shard {

// ---- Dispatchers
// ---------------------------------------------------------------------------------

void Shard::Impl::Step(Plugin& plugin, lane::Input input) {
  StepOne(plugin, std::move(input));
  StepHops();
}

void Shard::Impl::StepHops() {
  while (std::optional<lane::Hops::Turn> turn = hops_.Next())
    StepOne(*plugins_[turn->dispatcher], std::move(turn->input));
}

void Shard::Impl::StepOne(Plugin& plugin, lane::Input input) {
  lane::Effects effects;
  plugin.dispatcher->Step(std::move(input), clock_->Now(), &effects);
  CarryOut(plugin, effects);
}

void Shard::Impl::CarryOut(Plugin& plugin, lane::Effects& effects) {
  hops_.TakeFrom(&effects);
  if (!effects.call_ends.empty()) TakeCallEnds(std::move(effects.call_ends));
  for (const lane::SendFrame& frame : effects.frames) {
    if (Session* session = Find(frame.session)) session->stream->Send(frame, routes_);
  }
  for (lane::CancelDeliveries& cancel : effects.cancels) {
    if (Session* session = Find(cancel.session)) session->stream->Cancel(std::move(cancel));
  }
  for (const lane::CloseSession& close : effects.closes) {
    Session* session = Find(close.session);
    if (session == nullptr) continue;
    const bool broken = close.cause == lane::CloseCause::kProtocolError;
    session->closing = !broken;
    if (broken) session->broken_rule = close.message;
    session->deadline = clock_->Now() + (broken ? Duration::zero() : close.time_left) + kCloseGrace;
    session->stream->Close(close);
  }
  for (bus::Settlement& settlement : effects.settlements) {
    size_t bytes = 0;
    for (const Event& emit : settlement.emits) bytes += emit.size();
    if (bytes > 0 &&
        emit_bytes_.emplace(std::pair(settlement.lane, settlement.cookie), bytes).second) {
      emit_bytes_total_ += bytes;
    }
    consumer_->Settle(std::move(settlement));
  }
  for (const lane::SetCredit& credit : effects.credits)
    consumer_->SetCredit(credit.lane, refuses_calls_ ? 0 : credit.more);
  for (const lane::ReplaceInstance& replace : effects.replaces) {
    Session* session = Find(replace.session);
    if (session == nullptr) continue;
    session->stuck = true;
    session->deadline =
        clock_->Now() + (replace.at_once ? Duration::zero() : plugin.options.dispatcher.time_limit);
    if (replace.at_once) ReplaceLife(*session->life, ReplaceCause::kStuck, replace.why);
  }
  if (effects.known && options_.suspects != nullptr)
    options_.suspects->Write(plugin.options.name, *std::move(effects.known));
  for (const lane::Notice& notice : effects.notices) Take(plugin, notice);
  if (!effects.records.empty()) Keep(std::move(effects.records));
  LogSettleFailures(plugin);
  if (effects.wants_quarantine != plugin.wants_quarantine) {
    plugin.wants_quarantine = effects.wants_quarantine;
    fleet_->WantQuarantine(plugin.options.id, plugin.wants_quarantine);
  }
  plugin.wake_at = effects.wake_at;
  plugin.drained = effects.drained;
}

void Shard::Impl::Keep(std::vector<lane::Record> records) {
  if (options_.lineage == nullptr) return;
  std::vector<lineage::Store::Entry> entries;
  entries.reserve(records.size());
  for (lane::Record& record : records)
    entries.push_back({hops_.OptionsOf(record.lane).name, std::move(record)});
  options_.lineage->Add(std::move(entries));
}

void Shard::Impl::Take(Plugin& plugin, const lane::Notice& notice) {
  using Kind = lane::Notice::Kind;
  const std::string& name = plugin.options.name;
  const std::string lane = notice.lane < routes_.size() ? routes_[notice.lane] : "";
  switch (notice.kind) {
    case Kind::kSuspected:
      plugin.status.suspected += notice.count;
      LogWarning("lane", "deliveries are suspects: they are tried one at a time",
                 {{"plugin", name}, {"count", std::to_string(notice.count)}});
      break;
    case Kind::kCleared: break;
    case Kind::kSetAside:
      LogWarning(
          "lane",
          "an event ended every process that it was given to; it is set aside until another event "
          "succeeds",
          {{"plugin", name}, {"route", lane}, {"event", notice.event_id}, {"report", notice.text}});
      break;
    case Kind::kConvicted:
      ++plugin.status.convictions;
      LogError(
          "lane", "an event is convicted of crashing its plugin: see `outboard dead list`",
          {{"plugin", name}, {"route", lane}, {"event", notice.event_id}, {"report", notice.text}});
      break;
    case Kind::kCircuitOpened:
      ++plugin.status.circuit_openings;
      LogError("lane", "circuit open: the plugin gets nothing but a trial now and then",
               {{"plugin", name}, {"why", notice.text}});
      break;
    case Kind::kCircuitTrial: LogInfo("lane", "circuit trial", {{"plugin", name}}); break;
    case Kind::kCircuitClosed: LogInfo("lane", "circuit closed", {{"plugin", name}}); break;
    case Kind::kProbeStarted: LogWarning("lane", notice.text, {{"plugin", name}}); break;
    case Kind::kStopped:
      LogWarning("lane",
                 "the lane takes nothing more, since an event of it became a dead letter "
                 "(on_dead_letter: stop): see `outboard dead list --lane LANE`",
                 {{"lane", notice.text}});
      break;
    case Kind::kProbeEnded: LogInfo("lane", notice.text, {{"plugin", name}}); break;
    case Kind::kDeadLettered: {
      auto& reasons = dead_by_reason_[hops_.LaneOf(notice.lane)];
      const bool known = reasons.count(notice.text) > 0 || reasons.size() < kMaxReasons;
      ++reasons[known ? notice.text : "other"];
      LogWarning("lane", "dead letter",
                 {{"route", lane}, {"event", notice.event_id}, {"reason", notice.text}});
      break;
    }
    case Kind::kProtocolError:
      LogError("lane", "the plugin broke the contract", {{"plugin", name}, {"rule", notice.text}});
      break;
    case Kind::kStuck:
      LogError("lane", "an instance is stuck", {{"plugin", name}, {"why", notice.text}});
      break;
    case Kind::kSettleFailed: {
      SettleFailures& failures = plugin.settle_failures[notice.lane];
      failures.line.Add(notice.count);
      failures.why = notice.text;
      break;
    }
  }
}

void Shard::Impl::LogSettleFailures(Plugin& plugin) {
  for (auto& [lane, failures] : plugin.settle_failures) {
    const uint64_t count = failures.line.Take(clock_->Now());
    if (count == 0) continue;
    LogError("lane", "the bus did not settle deliveries; they are tried again",
             {{"plugin", plugin.options.name},
              {"route", lane < routes_.size() ? routes_[lane] : ""},
              {"count", std::to_string(count)},
              {"why", failures.why}});
  }
}

}  // namespace outboard::shard
