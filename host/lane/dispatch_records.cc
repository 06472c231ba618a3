// What is told of events that did not go straight through: how turns ended, and why they ended.
#include <algorithm>
#include <utility>

#include "host/base/text.h"
#include "host/lane/dispatcher_impl.h"

namespace outboard::lane {

void Dispatcher::Impl::NoteTried(Item* item, const char* outcome, const std::string& reason,
                                 const std::string& message, const SessionUp& by) {
  if (item->call != nullptr || item->lane->options().observes) return;
  bus::Attempt turn = TurnOf(*item, outcome, by);
  turn.reason = reason.empty() ? "UNSPECIFIED" : reason;
  turn.message = Truncate(message, kMaxTriedText);
  if (options.lineage) RecordTurn(*item, turn);
  KeepTried(item, std::move(turn));
}

void Dispatcher::Impl::KeepTried(Item* item, bus::Attempt attempt) {
  if (!item->tried) item->tried = std::make_unique<std::vector<bus::Attempt>>();
  if (item->tried->size() >= kMaxTried) item->tried->erase(item->tried->begin());
  item->tried->push_back(std::move(attempt));
}

bus::Attempt Dispatcher::Impl::TurnOf(const Item& item, const char* outcome,
                                      const SessionUp& by) const {
  bus::Attempt turn{now, outcome, "", "", by.version};
  turn.component = options.components[item.lane->options().component];
  turn.instance = by.instance;
  turn.quarantine = by.quarantine;
  turn.took = now - item.sent_at;
  return turn;
}

Record& Dispatcher::Impl::RecordOf(const Item& item) {
  const auto is_its = [&item](const Record& record) {
    return record.lane == item.lane_id && !record.end &&
           record.event.bytes().data() == item.event.bytes().data();
  };
  if (!out->records.empty() && is_its(out->records.back())) return out->records.back();
  Record& record = out->records.emplace_back();
  record.lane = item.lane_id;
  record.event = item.event;
  record.accepted_at = item.accepted_at;
  record.at = now;
  return record;
}

void Dispatcher::Impl::RecordTurn(const Item& item, bus::Attempt turn) {
  if (item.call != nullptr || item.lane->options().observes) return;
  Record& record = RecordOf(item);
  record.attempts = item.attempts;
  record.turns.push_back(std::move(turn));
}

void Dispatcher::Impl::RecordEnd(const Item& item, bus::Settlement* end) {
  const bool straight = end->end == bus::End::kDone && !end->tried;
  if (straight || end->end == bus::End::kReturned || item.lane->options().observes) return;
  Record& record = RecordOf(item);
  record.end = end->end;
  record.attempts = item.attempts;
  if (end->end == bus::End::kDone || end->end == bus::End::kDropped) {
    // The others have been told as they came, and this is not for the bus.
    if (end->tried) std::move(end->tried->begin(), end->tried->end(), back_inserter(record.turns));
    end->tried = nullptr;
  }
  record.due = end->due;
  record.reason = end->dead ? end->dead->reason : end->dropped_by;
  if (end->dead) record.message = end->dead->message;
  record.emitted = end->emits.size();
  record.emits.assign(end->emits.begin(),
                      end->emits.begin() + std::min(end->emits.size(), kMaxRecordedEmits));
  if (end->placed) record.placed = *end->placed;
}

void Dispatcher::Impl::NoteGoodTurn(const Item& item, const char* outcome, const SessionUp& by,
                                    bus::Settlement* end) const {
  const bool straight = end->end == bus::End::kDone && end->emits.empty() && !end->placed &&
                        item.attempts == 0 && !item.tried;
  if (straight) return;
  end->tried = std::make_unique<std::vector<bus::Attempt>>();
  end->tried->push_back(TurnOf(item, outcome, by));
}

void Dispatcher::Impl::NotePassed(const Item& item, bus::Settlement* end) {
  if (!end->tried && !item.tried) return;
  if (!end->tried) end->tried = std::make_unique<std::vector<bus::Attempt>>();
  bus::Attempt turn{now, "pass", "", "", ""};
  turn.component = options.components[item.lane->options().component];
  if (item.took) {
    turn.outcome = "continue";
    turn.at = item.sent_at + *item.took;
    turn.took = *item.took;
    if (const auto session = sessions.find(item.session); session != sessions.end()) {
      turn.version = session->second->up().version;
      turn.instance = session->second->up().instance;
    }
  }
  end->tried->insert(end->tried->begin(), std::move(turn));
}

}  // namespace outboard::lane
