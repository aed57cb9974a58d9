#include <steward/tests/simulation/queue_book.hpp>

#include <steward/core/errors.hpp>

namespace steward::detail::simulation {
namespace {

bool puts(const SeenCall& call) { return call.method.find("put") != std::string::npos; }
bool takes(const SeenCall& call) {
  return call.method.starts_with("get") || call.method == "try_get" || call.method == "reserve";
}

core::Deadline end_of(core::Reader& reader, core::Time now) {
  if (reader.nil_if_next()) return std::nullopt;
  return now + std::chrono::milliseconds(reader.natural());
}

}  // namespace

QueueBook::Items::iterator QueueBook::find(std::int64_t id) {
  return std::ranges::find_if(items_, [&](const auto& entry) { return entry.second.id == id; });
}

bool QueueBook::has(std::int64_t id) const {
  return std::ranges::any_of(items_, [&](const auto& entry) { return entry.second.id == id; });
}

std::vector<std::int64_t> QueueBook::must_be_there() const {
  std::vector<std::int64_t> ids;
  for (const auto& [order, item] : items_) {
    if (item.where == Where::here && !item.doubtful) ids.push_back(item.id);
  }
  return ids;
}

void QueueBook::begin(SeenCall& call) {
  if (puts(call)) {
    for (const std::int64_t id : call.ids) items_[++last_].id = id;
  } else if (call.method == "nack") {
    time_passed();
    settle_reservation(call, false);
  } else if (call.method == "ack" || call.method == "touch") {
    time_passed();
  }
}

void QueueBook::put_failed(const SeenCall& call) {
  for (const std::int64_t id : call.ids) {
    const auto found = find(id);
    if (found == items_.end()) continue;
    Item& item = found->second;
    const bool several = call.ids.size() > 1;
    if (item.inside && !several) {
      broken(Promise::not_done_after_all, fmt::format("item {} was taken, and its put failed", id));
    }
    if (item.inside) continue;
    if (several) {
      item.doubtful = true;
    } else {
      items_.erase(found);
    }
  }
}

void QueueBook::give_up(SeenCall& call) {
  if (puts(call)) put_failed(call);
}

void QueueBook::end(SeenCall& call, core::ErrorCode code, std::string_view payload) {
  core::Reader reader(payload);
  const bool ok = code == core::ErrorCode::ok;
  if (puts(call)) {
    if (!ok || (call.method == "try_put" && !reader.boolean())) return put_failed(call);
    check_turn(call, puts);
    for (const std::int64_t id : call.ids) {
      shared_.effect(id);
      if (const auto found = find(id); found != items_.end()) found->second.inside = true;
    }
  } else if (!ok) {
    return;
  } else if (call.method == "get") {
    check_turn(call, takes);
    take(call, take_id(reader));
  } else if (call.method == "get_many" || call.method == "try_get") {
    std::size_t count = reader.array();
    if (count > 0) check_turn(call, takes);
    for (; count > 0; --count) take(call, take_id(reader));
  } else if (call.method == "reserve") {
    check_turn(call, takes);
    reserve(call, reader);
  } else if (call.method == "ack" || call.method == "touch") {
    const bool had = reader.boolean();
    const auto mine = reservation(call);
    if (had != (mine != items_.end())) {
      broken(Promise::values_are_right, call.text() + " of a reservation says " +
                                            (had ? "that it goes on" : "that it is over"));
    } else if (had && call.method == "ack") {
      settle_reservation(call, true);
    } else if (had) {
      core::Reader args(call.args);
      args.array();
      args.natural();
      mine->second.end = end_of(args, shared_.now);
    }
  }
}

QueueBook::Item* QueueBook::take(SeenCall& call, std::int64_t id) {
  const auto found = find(id);
  if (found == items_.end()) {
    broken(Promise::item_is_once,
           fmt::format("{} was given item {}, which is not there (any more)", call.text(), id));
    return nullptr;
  }
  Item& item = found->second;
  if (item.where != Where::here) {
    broken(Promise::item_is_once, fmt::format("{} was given item {}, which {} has", call.text(), id,
                                              item.taker->text()));
  }
  for (auto other = items_.begin(); other != found;) {
    const Item& before = other->second;
    if (before.where == Where::here && before.doubtful) {
      other = items_.erase(other);  // so it was never in
      continue;
    }
    // What comes back in one moment may do so in any order.
    if (before.where == Where::here && before.back_since != shared_.step) {
      broken(Promise::items_in_order,
             fmt::format("{} was given item {} before item {}", call.text(), id, before.id));
    }
    ++other;
  }
  item.where = Where::in_flight;
  item.number = 0;
  item.inside = true;
  item.doubtful = item.kept = false;
  item.taker = &call;
  call.handed_over = true;
  return &item;
}

void QueueBook::reserve(SeenCall& call, core::Reader& payload) {
  payload.array();
  const std::uint64_t number = payload.natural();
  const bool redelivered = payload.boolean();
  Item* item = take(call, take_id(payload));
  if (item == nullptr) return;
  if (item->redelivered != redelivered) {
    broken(Promise::values_are_right, fmt::format("item {} says wrongly whether it comes again",
                                                  item->id));
  }
  item->where = Where::reserved;
  item->number = number;
  core::Reader args(call.args);
  args.array();
  item->end = end_of(args, shared_.now);
}

void QueueBook::come_back(Item& item) {
  item.where = Where::here;
  item.redelivered = true;
  ++shared_.counts.came_back;
  item.kept = false;
  item.back_since = shared_.step;
  item.taker = nullptr;
  item.number = 0;
  item.end = std::nullopt;
}

bool QueueBook::kept(const core::SessionId& session, std::int64_t id, std::uint64_t reservation) {
  const auto found = find(id);
  if (found == items_.end()) return false;
  Item& item = found->second;
  // Of a reservation whose time is over somebody else may have it by now.
  const bool his = item.where != Where::here && item.taker->session == session &&
                   item.number == reservation;
  if (his) {
    if (item.kept) {
      broken(Promise::item_is_once, fmt::format("{} was given item {} twice", item.taker->text(),
                                                id));
    }
    item.kept = true;
    ++shared_.counts.kept;
  }
  return true;
}

void QueueBook::confirmed(SeenCall& call) {
  for (auto entry = items_.begin(); entry != items_.end();) {
    const Item& item = entry->second;
    if (item.where != Where::in_flight || item.taker != &call) {
      ++entry;
      continue;
    }
    if (!item.kept) {
      broken(Promise::confirmed, fmt::format("item {} is confirmed, and nobody has it", item.id));
    }
    entry = items_.erase(entry);
  }
}

void QueueBook::returned(SeenCall& call) {
  for (auto& [order, item] : items_) {
    if (item.where != Where::here && item.taker == &call) come_back(item);
  }
}

void QueueBook::session_ended(const core::SessionId& session) {
  for (auto& [order, item] : items_) {
    if (item.where != Where::here && item.taker->session == session) come_back(item);
  }
}

void QueueBook::time_passed() {
  for (auto& [order, item] : items_) {
    if (item.where == Where::reserved && item.end && *item.end <= shared_.now) come_back(item);
  }
}

QueueBook::Items::iterator QueueBook::reservation(const SeenCall& call) {
  core::Reader args(call.args);
  args.array();
  const std::uint64_t number = args.natural();
  return std::ranges::find_if(items_, [&](const auto& entry) {
    const Item& item = entry.second;
    return item.where == Where::reserved && item.number == number &&
           item.taker->session == call.session;
  });
}

void QueueBook::settle_reservation(const SeenCall& call, bool done) {
  const auto mine = reservation(call);
  if (mine == items_.end()) return;
  if (done) {
    items_.erase(mine);
  } else {
    come_back(mine->second);
  }
}

void QueueBook::check_waiting() const {
  if (waiting().empty()) return;
  std::uint64_t here = 0;
  bool doubt = false;
  const Item* sure = nullptr;
  for (const auto& [order, item] : items_) {
    doubt = doubt || item.doubtful;
    if (item.where != Where::here) continue;
    ++here;
    if (sure == nullptr && item.inside) sure = &item;
  }
  for (const SeenCall* call : waiting()) {
    if (takes(*call) && sure != nullptr) {
      return broken(Promise::nobody_is_forgotten,
                    fmt::format("{} waits although item {} is there", call->text(), sure->id));
    }
    if (puts(*call) && !doubt && here <= maxsize_) {
      return broken(Promise::nobody_is_forgotten, call->text() + " waits although there is room");
    }
  }
}

void QueueBook::check_calm() const {
  for (const auto& [order, item] : items_) {
    if (item.where == Where::in_flight) {
      broken(Promise::confirmed, fmt::format("item {} is still on its way to {}, who {}", item.id,
                                             item.taker->text(),
                                             item.kept ? "has it" : "does not have it"));
    }
  }
}

}  // namespace steward::detail::simulation
