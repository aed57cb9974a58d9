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

constexpr std::uint64_t kQueueSaveVersion = 8;

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
    Putter waiting;
    waiting.push_back(std::move(item));
    putters_.park(call, std::move(waiting));
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
  const std::size_t bytes = impl::footprint(items);
  putters_.park(call, Putter(std::move_iterator(items.begin()), std::move_iterator(items.end())));
  bytes_ += bytes;
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
  getters_.park(call, getter);
  return kParked;
}

Outcome QueueObject::get(Call& call) {
  if (outside_) return ask(call, {.asked = Asked::get}, {.kind = Work::Kind::get, .number = 1});
  return take_or_park(call, {});
}

Outcome QueueObject::get_many(Call& call, std::uint64_t max) {
  if (max == 0) return Value(Value::List());
  if (outside_) {
    return ask(call, {.asked = Asked::get_many}, {.kind = Work::Kind::get, .number = max});
  }
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
  ++changes_;
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
  ++changes_;
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
  if (ready()) answer_all(watchers_, Value(), context);
}

// Lets the first putter's items in as far as there is room; says whether anything moved.
bool QueueObject::admit_first(Context& context) {
  if (putters_.empty() || full()) return false;
  auto& [id, items] = putters_.first();
  while (!items.empty() && !full()) {
    enter(std::move(items.front()));
    items.pop_front();
  }
  if (items.empty()) context.answer(id, Value());
  return true;
}

bool QueueObject::serve_first(Context& context) {
  if (getters_.empty() || items_.empty()) return false;
  const auto [id, getter] = getters_.first();
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
  answer_all(joiners_, Value(), context);
}

Outcome QueueObject::join(Call& call) {
  if (outside_) return ask(call, Asked::join, Work::Kind::join);
  if (unfinished_ == 0) return Value();
  joiners_.park(call);
  return kParked;
}

Outcome QueueObject::wait_ready(Call& call) {
  if (outside_) return ask(call, Asked::wait_ready, Work::Kind::wait_ready);
  if (ready()) return Value();
  watchers_.park(call);
  return kParked;
}

// Who waits to put or to get cannot succeed any more: a put waits only while the queue is full, a
// get only while it is empty. (An item in flight may still come back, for whoever asks then.)
Outcome QueueObject::close(Call& call) {
  if (outside_) return ask(call, Asked::close, Work::Kind::close);
  if (!std::exchange(closed_, true)) ++changes_;
  while (!putters_.empty()) {
    const auto& [id, items] = putters_.first();
    for (const Value& item : items) bytes_ -= item.footprint();
    call.fail(id, core::ErrorCode::closed, kQueueClosed);
  }
  while (!getters_.empty()) {
    call.fail(getters_.first().first, core::ErrorCode::closed, kQueueClosed);
  }
  answer_all(watchers_, Value(), call);
  return Value();
}

void QueueObject::gave_up(ParkId parked, GaveUp, Context& context) {
  if (asking_.find(parked) != nullptr) {
    context.work({.kind = Work::Kind::cancel, .park = parked});
  }
  // A put that is given up was never acknowledged: what of it has not entered never will. That
  // makes no room, and takes nobody's place: the others go on waiting.
  if (const Putter* items = putters_.find(parked)) {
    for (const Value& item : *items) bytes_ -= item.footprint();
  }
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
  ++changes_;
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
  out.boolean(item.redelivered);
  out.value(item.value);
}

QueueObject::Item QueueObject::load_item(Loader& in) {
  const std::uint64_t number = in.number();
  const bool redelivered = in.boolean();
  return {load_value(in), number, redelivered};
}

Value QueueObject::load_value(Loader& in) {
  Value value = in.value();
  bytes_ += value.footprint();
  return value;
}

QueueObject::Asked QueueObject::load_asked(Loader& in) {
  const std::uint64_t asked = in.number();
  if (asked > static_cast<std::uint64_t>(Asked::wait_ready)) Loader::damaged();
  return static_cast<Asked>(asked);
}

void QueueObject::save(Saver& out) const {
  out.number(kQueueSaveVersion);
  out.number(maxsize_);
  out.boolean(closed_);
  out.number(entered_);
  out.number(unfinished_);
  out.each(items_, [&](const Item& item) { save_item(out, item); });
  out.each(in_flight_, [&](const auto& taken) {
    out.key(taken.first);
    out.each(taken.second, [&](const Item& item) { save_item(out, item); });
  });
  putters_.save(out, [&](const Putter& items) {
    out.each(items, [&](const Value& item) { out.value(item); });
  });
  getters_.save(out, [&](const Getter& getter) {
    out.number(static_cast<std::uint64_t>(getter.asked));
    out.number(getter.max);
    out.optional(getter.time_ms);
  });
  joiners_.save(out);
  save_reserved(out);
  watchers_.save(out);
  out.boolean(outside_.has_value());
  if (outside_) save_outside(out);
}

QueueObject::QueueObject(const Environment& environment, Loader& in)
    : item_bytes_(environment.item_bytes) {
  in.version(kQueueSaveVersion);
  maxsize_ = in.number();
  closed_ = in.boolean();
  entered_ = in.number();
  unfinished_ = in.number();
  in.each([&] { items_.push_back(load_item(in)); });
  in.each([&] {
    std::vector<Item>& items = in_flight_[in.key()];
    in.each([&] { items.push_back(load_item(in)); });
  });
  putters_.load(in, [&] {
    Putter items;
    in.each([&] { items.push_back(load_value(in)); });
    return items;
  });
  getters_.load(in, [&] {
    Getter getter{.asked = load_asked(in)};
    getter.max = in.number();
    getter.time_ms = in.optional();
    return getter;
  });
  joiners_.load(in);
  load_reserved(in);
  watchers_.load(in);
  if (in.boolean()) load_outside(in);
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
           method<&Q::touch>("touch")},
          load<Q>};
}

}  // namespace steward::detail::server
