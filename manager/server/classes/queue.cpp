#include <steward/manager/server/classes/queue.hpp>

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include <steward/core/errors.hpp>
#include <steward/core/planted_fault.hpp>
#include <steward/core/writer.hpp>
#include <steward/manager/server/answer_bytes.hpp>
#include <steward/manager/server/classes/texts.hpp>

namespace steward::detail::server {
namespace {

constexpr std::uint64_t kQueueSaveVersion = 7;

}  // namespace

QueueObject::QueueObject(const Environment& environment, Arguments& arguments)
    : item_bytes_(environment.item_bytes),
      maxsize_(arguments.take<std::optional<std::uint64_t>>().value_or(0)) {}

void QueueObject::require_short(const Value& item) const {
  if (const auto bytes = longer_than(item_bytes_, item)) {
    throw Overloaded(fmt::format("an item of {} bytes is more than the {} that this queue takes",
                                 *bytes, item_bytes_));
  }
}

void QueueObject::require_short(const std::vector<Value>& items) const {
  for (const Value& item : items) require_short(item);
}

void QueueObject::require_open() const {
  if (closed_) throw Closed(kQueueClosed);
}

Outcome QueueObject::put(Call& call, Value item) {
  require_short(item);
  if (outside_) return ask_put(call, Asked::put, {std::move(item)});
  require_open();
  const std::size_t bytes = item.footprint();
  if (full()) {
    putters_[call.park()].push_back(std::move(item));
    bytes_ += bytes;
    return kParked;
  }
  enter(std::move(item));
  bytes_ += bytes;
  settle(call);
  return Value();
}

Outcome QueueObject::try_put(Call& call, Value item) {
  require_short(item);
  if (outside_) return ask_put(call, Asked::try_put, {std::move(item)});
  require_open();
  if (full()) return Value(false);
  bytes_ += item.footprint();
  enter(std::move(item));
  settle(call);
  return Value(true);
}

Outcome QueueObject::put_many(Call& call, std::vector<Value> items) {
  require_short(items);
  if (outside_) return ask_put(call, Asked::put, std::move(items));
  require_open();
  if (items.empty() || maxsize_ == 0 || items.size() + items_.size() <= maxsize_) {
    bytes_ += impl::footprint(items);
    for (Value& item : items) enter(std::move(item));
    settle(call);
    return Value();
  }
  // It waits even if getters make room for all of it at once: where no more calls may wait, it must
  // be refused before its first item is in.
  Putter& waiting = putters_[call.park()];
  bytes_ += impl::footprint(items);
  waiting.assign(std::move_iterator(items.begin()), std::move_iterator(items.end()));
  settle(call);
  return kParked;
}

Outcome QueueObject::take_or_park(Call& call, Getter getter) {
  if (!items_.empty()) {
    Value result = take(getter, call.key(), call);
    settle(call);
    return result;
  }
  require_open();
  getters_.emplace(call.park(), getter);
  return kParked;
}

Outcome QueueObject::get(Call& call) {
  if (outside_) return ask(call, Asked::get, {.kind = Work::Kind::get, .number = 1});
  return take_or_park(call, {});
}

Outcome QueueObject::get_many(Call& call, std::uint64_t max) {
  if (max == 0) return Value(Value::List());
  if (outside_) return ask(call, Asked::get_many, {.kind = Work::Kind::get, .number = max});
  return take_or_park(call, {.asked = Asked::get_many, .max = max});
}

Outcome QueueObject::try_get(Call& call) {
  if (outside_) return ask(call, Asked::try_get, Work::Kind::try_get);
  if (items_.empty()) {
    require_open();
    return Value(Value::List());
  }
  Value::List result;
  result.push_back(take({}, call.key(), call));
  settle(call);
  return Value(std::move(result));
}

void QueueObject::enter(Value value) {
  items_.push_back({std::move(value), entered_ + 1});
  ++entered_;
  ++unfinished_;
}

// As many as one answer carries, and one at least.
std::size_t QueueObject::number_to_take(const Getter& getter) const {
  const auto most = static_cast<std::size_t>(std::min<std::uint64_t>(getter.max, items_.size()));
  std::size_t bytes = 0;
  for (std::size_t i = 0; i < most; ++i) {
    bytes += answer_bytes_most(items_[i].value);
    if (i > 0 && bytes > item_bytes_) return i;
  }
  return most;
}

Value QueueObject::take(const Getter& getter, CallKey key, Context& context) {
  const std::size_t count = number_to_take(getter);
  const auto end = items_.begin() + static_cast<std::ptrdiff_t>(count);
  std::vector<Item> taken(items_.begin(), end);
  items_.erase(items_.begin(), end);
  Value result = taken.front().value;
  if (getter.asked == Asked::reserve) {
    Item& item = taken.front();
    const bool redelivered = item.redelivered;
    return reserved(key, getter.time_ms, redelivered, std::move(result), std::move(item), context);
  }
  if (getter.asked == Asked::get_many) {
    Value::List values;
    values.reserve(count);
    for (const Item& item : taken) values.push_back(item.value);
    result = std::move(values);
  }
  context.hand_over(key);
  in_flight_.insert_or_assign(key, std::move(taken));
  return result;
}

void QueueObject::settle(Context& context) {
  while (admit_first(context) || serve_first(context)) {
  }
  if (ready()) tell_onlookers(context);
}

void QueueObject::tell_onlookers(Context& context) {
  for (const ParkId id : std::exchange(onlookers_, {})) context.answer(id, Value());
}

// Lets the first putter's items in as far as there is room; says whether anything moved.
bool QueueObject::admit_first(Context& context) {
  if (putters_.empty() || full()) return false;
  const auto first = putters_.begin();
  Putter& items = first->second;
  while (!items.empty() && !full()) {
    enter(std::move(items.front()));
    items.pop_front();
  }
  if (items.empty()) {
    const ParkId id = first->first;
    putters_.erase(first);
    context.answer(id, Value());
  }
  return true;
}

bool QueueObject::serve_first(Context& context) {
  if (getters_.empty() || items_.empty()) return false;
  const auto [id, getter] = *getters_.begin();
  getters_.erase(getters_.begin());
  context.answer(id, take(getter, context.caller_of(id), context));
  return true;
}

Outcome QueueObject::task_done(Call& call) {
  if (outside_) return ask(call, Asked::task_done, Work::Kind::task_done);
  if (unfinished_ <= items_.size()) {
    throw BadCall("task_done was called more often than items were taken");
  }
  finish_task(call);
  return Value();
}

void QueueObject::finish_task(Context& context) {
  // Others may have reported what is in flight before it was settled.
  if (unfinished_ == 0 || --unfinished_ > 0) return;
  for (const ParkId id : std::exchange(joiners_, {})) context.answer(id, Value());
}

Outcome QueueObject::join(Call& call) {
  if (outside_) return ask(call, Asked::join, Work::Kind::join);
  if (unfinished_ == 0) return Value();
  joiners_.insert(call.park());
  return kParked;
}

Outcome QueueObject::wait_ready(Call& call) {
  if (outside_) return ask(call, Asked::wait_ready, Work::Kind::wait_ready);
  if (ready()) return Value();
  onlookers_.insert(call.park());
  return kParked;
}

// Who waits to put or to get cannot succeed any more: a put waits only while the queue is full, a
// get only while it is empty. (An item in flight may still come back, for whoever asks then.)
Outcome QueueObject::close(Call& call) {
  if (outside_) return ask(call, Asked::close, Work::Kind::close);
  closed_ = true;
  for (const auto& [id, items] : std::exchange(putters_, {})) {
    for (const Value& item : items) bytes_ -= item.footprint();
    call.fail(id, core::ErrorCode::closed, kQueueClosed);
  }
  for (const auto& [id, getter] : std::exchange(getters_, {})) {
    call.fail(id, core::ErrorCode::closed, kQueueClosed);
  }
  tell_onlookers(call);
  return Value();
}

void QueueObject::forget(ParkId parked, Context& context) {
  if (forget_outside(parked, context)) return;
  // A put that is forgotten was never acknowledged: what of it has not entered never will. That
  // makes no room, and takes nobody's place: the others go on waiting.
  if (const auto putter = putters_.extract(parked)) {
    for (const Value& item : putter.mapped()) bytes_ -= item.footprint();
  }
  getters_.erase(parked);
  joiners_.erase(parked);
  onlookers_.erase(parked);
}

std::vector<ParkId> QueueObject::waiting() const {
  std::vector<ParkId> all(joiners_.begin(), joiners_.end());
  all.insert(all.end(), onlookers_.begin(), onlookers_.end());
  for (const auto& [id, items] : putters_) all.push_back(id);
  for (const auto& [id, getter] : getters_) all.push_back(id);
  if (outside_) {
    for (const auto& [id, call] : outside_->calls) all.push_back(id);
  }
  std::ranges::sort(all);
  return all;
}

void QueueObject::confirmed(CallKey key, Context& context) {
  if (confirmed_outside(key, context)) return;
  const auto node = in_flight_.extract(key);
  if (node.empty()) return;
  for (const Item& item : node.mapped()) bytes_ -= item.value.footprint();
}

void QueueObject::returned(CallKey key, Context& context) {
  if (returned_reserved(key, context) || returned_outside(key, context)) return;
  auto node = in_flight_.extract(key);
  if (!node.empty()) put_back(std::move(node.mapped()), context);
}

void QueueObject::put_back(std::vector<Item> items, Context& context) {
  if (outside_) return put_back_outside(std::move(items), context);
  // By number and not simply to the front: others may have come back before. The last one first, so
  // that each goes in at the very front, or near it.
  for (auto item = items.rbegin(); item != items.rend(); ++item) {
    item->redelivered = true;
    auto place = std::ranges::upper_bound(items_, item->number, {}, &Item::number);
    if (core::planted(core::Fault::requeue_at_the_back)) place = items_.end();
    items_.insert(place, std::move(*item));
  }
  settle(context);
}

std::string QueueObject::str(TextLimit limit) const {
  ListPrinter printer(limit);
  for (const Item& item : items_) {
    if (printer.full()) break;
    printer.item(item.value);
  }
  return std::move(printer).finish();
}

void QueueObject::save_item(Saver& out, const Item& item) {
  out.number(item.number);
  out.writer().boolean(item.redelivered);
  out.value(item.value);
}

void QueueObject::save(Saver& out) const {
  out.number(kQueueSaveVersion);
  out.number(maxsize_);
  out.writer().boolean(closed_);
  out.number(entered_);
  out.number(unfinished_);
  out.writer().array(items_.size());
  for (const Item& item : items_) save_item(out, item);
  out.writer().array(in_flight_.size());
  for (const auto& [key, items] : in_flight_) {
    out.number(static_cast<std::uint64_t>(key.session));
    out.number(key.seq);
    out.writer().array(items.size());
    for (const Item& item : items) save_item(out, item);
  }
  out.writer().array(putters_.size());
  for (const auto& [id, items] : putters_) {
    out.number(static_cast<std::uint64_t>(id));
    out.writer().array(items.size());
    for (const Value& item : items) out.value(item);
  }
  out.writer().array(getters_.size());
  for (const auto& [id, getter] : getters_) {
    out.number(static_cast<std::uint64_t>(id));
    out.number(static_cast<std::uint64_t>(getter.asked));
    out.number(getter.max);
    out.writer().boolean(getter.time_ms.has_value());
    if (getter.time_ms) out.number(*getter.time_ms);
  }
  out.writer().array(joiners_.size());
  for (const ParkId id : joiners_) out.number(static_cast<std::uint64_t>(id));
  save_reserved(out);
  out.writer().array(onlookers_.size());
  for (const ParkId id : onlookers_) out.number(static_cast<std::uint64_t>(id));
  out.writer().boolean(outside_.has_value());
  if (outside_) save_outside(out);
}

Class queue_class() {
  using Q = QueueObject;
  return {"queue",
          create<Q>,
          {adding<&Q::put>("put"),
           adding<&Q::try_put>("try_put"),
           method<&Q::get>("get"),
           method<&Q::try_get>("try_get"),
           adding<&Q::put_many>("put_many"),
           method<&Q::get_many>("get_many"),
           reading<&Q::size, &Q::ask_size>("size"),
           reading<&Q::empty, &Q::ask_empty>("empty"),
           reading<&Q::full, &Q::ask_full>("full"),
           method<&Q::maxsize>("maxsize"),
           method<&Q::task_done>("task_done"),
           method<&Q::join>("join"),
           method<&Q::close>("close"),
           reading<&Q::ready, &Q::ask_ready>("ready"),
           method<&Q::wait_ready>("wait_ready"),
           reading<&Q::str, &Q::ask_str>("str"),
           method<&Q::redeem>("redeem"),
           method<&Q::redeemed>("redeemed"),
           method<&Q::reserve>("reserve"),
           method<&Q::ack>("ack"),
           method<&Q::nack>("nack"),
           method<&Q::touch>("touch")}};
}

}  // namespace steward::detail::server
