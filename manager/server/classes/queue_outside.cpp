// The queue whose items are in a ring in shared memory: what becomes of its calls.
#include <algorithm>
#include <array>
#include <utility>

#include <fmt/format.h>

#include <steward/core/errors.hpp>
#include <steward/manager/server/answer_bytes.hpp>
#include <steward/manager/server/classes/queue.hpp>

namespace steward::detail::server {
namespace {

// 0, which no stub has: these are not the bytes of one.
std::uint64_t stub_number(std::string_view bytes) {
  if (bytes.size() != kStubBytes) return 0;
  std::uint64_t number = 0;
  for (std::size_t i = 0; i < kStubBytes; ++i) {
    number |= std::uint64_t{static_cast<std::uint8_t>(bytes[i])} << (8 * i);
  }
  return number;
}

}  // namespace

RingItem QueueObject::encode(const Value& value) {
  RingItem item;
  if (!value.has_proxies()) Saver(item.bytes).value(value);
  return item;
}

std::vector<RingItem> QueueObject::encode(const std::vector<Value>& values) {
  std::vector<RingItem> items;
  items.reserve(values.size());
  for (const Value& value : values) items.push_back(encode(value));
  return items;
}

void QueueObject::keep(std::vector<RingItem>& items, std::vector<Value> values) {
  for (std::size_t i = 0; i < values.size(); ++i) {
    bytes_ += values[i].footprint();
    items[i].number = ++outside_->last_number;
    outside_->kept.emplace(items[i].number, Kept{std::move(values[i])});
  }
}

std::vector<RingItem> QueueObject::to_ring(std::vector<Value> values) {
  std::vector<RingItem> items = encode(values);
  keep(items, std::move(values));
  return items;
}

void QueueObject::drop_kept(std::uint64_t number, Context& context) {
  const auto node = outside_->kept.extract(number);
  if (node.empty()) return;
  const auto& [value, redeemer] = node.mapped();
  bytes_ -= value.footprint();
  if (!redeemer) return;
  outside_->by_redeemer.erase({*redeemer, number});
  context.disown(*redeemer);
}

// The session's end, of which the core knows: who has taken a stub out of the ring for good may not
// have been able to say so.
void QueueObject::look_for_stubs_of(SessionNumber session, Context& context) {
  if (!outside_) return;
  auto& all = outside_->by_redeemer;
  const auto first = all.lower_bound({session, 0});
  auto end = first;
  Work look{.kind = Work::Kind::look};
  for (; end != all.end() && end->first == session; ++end) {
    outside_->kept.at(end->second).redeemer.reset();
    look.items.push_back({.number = end->second});
  }
  all.erase(first, end);
  if (!look.items.empty()) context.work(std::move(look));
}

// Who waits keeps its place: work is done in the order in which it is given out.
void QueueObject::mapped(Context& context) {
  const std::vector<ParkId> waiting_here = waiting();
  outside_.emplace(Outside{});
  ++changes_;
  Work move{.kind = Work::Kind::move_in};
  std::vector<Value> values;
  for (const Item& item : items_) {
    bytes_ -= item.value.footprint();
    values.push_back(item.value);
  }
  move.items = to_ring(std::move(values));
  for (std::size_t i = 0; i < items_.size(); ++i) move.items[i].redelivered = items_[i].redelivered;
  items_.clear();
  // What is in flight or reserved counts as taken already: if it comes back, see
  // put_back_outside().
  move.number = unfinished_ - std::min<std::uint64_t>(unfinished_, move.items.size());
  move.closed = closed_;
  context.work(std::move(move));
  for (const ParkId id : waiting_here) {
    if (Putter* putter = putters_.find(id)) {
      std::vector<Value> items;
      for (Value& item : *putter) {
        bytes_ -= item.footprint();
        items.push_back(std::move(item));
      }
      asking_.adopt(id, context, {.asked = Asked::put});
      put_outside(id, Asked::put, to_ring(std::move(items)), context);
    } else if (const Getter* getter = getters_.find(id)) {
      const auto [asked, max, time_ms] = *getter;
      asking_.adopt(id, context, {.asked = asked, .max = max, .time_ms = time_ms});
      context.work({.kind = Work::Kind::get, .park = id, .number = max});
    } else if (joiners_.find(id) != nullptr) {
      asking_.adopt(id, context, {.asked = Asked::join});
      context.work({.kind = Work::Kind::join, .park = id});
    } else {
      asking_.adopt(id, context, {.asked = Asked::wait_ready});
      context.work({.kind = Work::Kind::wait_ready, .park = id});
    }
  }
}

void QueueObject::put_outside(ParkId parked, Asked asked, std::vector<RingItem> items,
                              Context& context) {
  const auto kind = asked == Asked::try_put ? Work::Kind::try_put : Work::Kind::put;
  context.work({.kind = kind, .park = parked, .items = std::move(items)});
}

// It keeps the values last: there may be no memory to encode them, and no room for who waits.
Outcome QueueObject::ask_put(Call& call, Asked asked, std::vector<Value> values) {
  std::vector<RingItem> items = preparing([&] { return encode(values); });
  const ParkId parked = asking_.park(call, {.asked = asked});
  keep(items, std::move(values));
  put_outside(parked, asked, std::move(items), call);
  return kParked;
}

Outcome QueueObject::ask(Call& call, Waiting waiting, Work work) {
  waiting.max = work.number;
  work.park = asking_.park(call, waiting);
  call.work(std::move(work));
  return kParked;
}

Outcome QueueObject::ask(Call& call, Asked asked, Work::Kind kind) {
  return ask(call, {.asked = asked}, {.kind = kind});
}

Outcome QueueObject::ask_size(Call& call) { return ask(call, Asked::size, Work::Kind::size); }
Outcome QueueObject::ask_empty(Call& call) { return ask(call, Asked::empty, Work::Kind::size); }
Outcome QueueObject::ask_full(Call& call) { return ask(call, Asked::full, Work::Kind::full); }
Outcome QueueObject::ask_ready(Call& call) { return ask(call, Asked::ready, Work::Kind::ready); }

Outcome QueueObject::ask_str(Call& call, TextLimit limit) {
  return ask(call, {.asked = Asked::str, .text_limit = limit}, {.kind = Work::Kind::size});
}

void QueueObject::work_done(ParkId parked, const WorkResult& result, Context& context) {
  if (!outside_) return;
  for (const std::uint64_t number : result.let_go) drop_kept(number, context);
  const Waiting* asking = asking_.find(parked);
  if (asking == nullptr) return;
  const Waiting waiting = *asking;
  if (result.code != core::ErrorCode::ok) {
    return context.fail(parked, result.code, std::string(result.text));
  }
  switch (waiting.asked) {
    case Asked::put:
    case Asked::task_done:
    case Asked::join:
    case Asked::wait_ready:
    case Asked::close: return context.answer(parked, Value());
    case Asked::try_put:
    case Asked::ready:
    case Asked::full: return context.answer(parked, Value(result.number != 0));
    case Asked::empty: return context.answer(parked, Value(result.number == 0));
    case Asked::size: return context.answer(parked, Value(result.number));
    case Asked::str: {
      if (result.number == 0) return context.answer(parked, Value("[]"));
      std::string text = fmt::format("<{} item{} in shared memory>", result.number,
                                     result.number == 1 ? "" : "s");
      if (waiting.text_limit && text.size() > *waiting.text_limit) {
        text = text.substr(0, *waiting.text_limit) + "...";
      }
      return context.answer(parked, Value(std::move(text)));
    }
    case Asked::get:
    case Asked::try_get:
    case Asked::get_many:
    case Asked::reserve: return give(parked, waiting, result, context);
  }
}

void QueueObject::give(ParkId parked, const Waiting& waiting, const WorkResult& result,
                       Context& context) {
  const bool one = waiting.asked == Asked::get || waiting.asked == Asked::reserve;
  Taken taken{parked};
  Value::List values;
  std::size_t bytes = 0;
  bool redelivered = false;
  for (const WorkResult::Item& item : result.items) {
    const std::size_t stubs = taken.stubs.size();
    std::optional<Value> got;
    try {
      got = from_ring(item, taken.stubs, context);
    } catch (const Overloaded& error) {
      // It would take more memory here than a message may. Who takes it where it lies need not ask.
      context.work({.kind = Work::Kind::give_back, .park = parked, .number = values.size()});
      if (!values.empty()) break;
      return context.fail(parked, core::ErrorCode::overloaded, error.what());
    }
    if (!got) {
      context.work({.kind = Work::Kind::discard, .park = parked, .number = values.size()});
      continue;
    }
    Value value = *std::move(got);
    const bool stub = taken.stubs.size() > stubs;
    bytes += stub ? answer_bytes_most(value) : item.bytes.size();
    if (!values.empty() && bytes > item_bytes_) {
      // One message would not carry them all, and the ring does not know how long this one is.
      if (stub) taken.stubs.pop_back();
      context.work({.kind = Work::Kind::give_back, .park = parked, .number = values.size()});
      break;
    }
    if (values.empty()) redelivered = item.redelivered;
    values.push_back(std::move(value));
  }
  if (values.empty() && !result.items.empty()) {
    // There was nothing behind all of these: it goes on as if they had not been there.
    const bool waits = waiting.asked != Asked::try_get;
    const auto kind = waits ? Work::Kind::get : Work::Kind::try_get;
    return context.work({.kind = kind, .park = parked, .number = waiting.max});
  }
  if (values.empty() && one) {
    return context.fail(parked, core::ErrorCode::bad_call, "the ring gave nothing");
  }
  const CallKey key = context.caller_of(parked);
  if (waiting.asked == Asked::reserve) {
    return context.answer(parked, reserved(key, waiting.time_ms, redelivered,
                                           std::move(values.front()), std::move(taken), context));
  }
  if (!values.empty()) {
    context.hand_over(key);
    outside_->taken.insert_or_assign(key, std::move(taken));
  }
  Value gift = one ? values.front() : Value(std::move(values));
  context.answer(parked, std::move(gift));
}

// Any local process may have written this, and perhaps for a reader that makes sense of it.
std::optional<Value> QueueObject::from_ring(const WorkResult::Item& item,
                                            std::vector<std::uint64_t>& stubs,
                                            Context& context) const {
  const bool is_stub = item.format == static_cast<std::uint32_t>(RingFormat::stub);
  if (const std::uint64_t number = is_stub ? stub_number(item.bytes) : 0; number != 0) {
    const auto kept = outside_->kept.find(number);
    if (kept == outside_->kept.end()) return std::nullopt;
    stubs.push_back(number);
    return kept->second.value;
  }
  if (item.format == static_cast<std::uint32_t>(RingFormat::encoded)) {
    try {
      return context.read_value(item.bytes);
    } catch (const BadCall&) {
      // As bytes, then.
    }
  }
  return Value::of_bytes(item.bytes);
}

// A stub has one holder at a time: who asked before has given it back, or is dead.
Value QueueObject::redeem(Call& call, std::uint64_t number) {
  const auto found = outside_ ? outside_->kept.find(number) : decltype(outside_->kept.end())();
  if (!outside_ || found == outside_->kept.end()) {
    throw core::OutOfRange(fmt::format("no item is kept as number {}", number));
  }
  auto& [value, redeemer] = found->second;
  const SessionNumber session = call.key().session;
  if (redeemer != session) {
    if (redeemer) {
      outside_->by_redeemer.erase({*redeemer, number});
      call.disown(*redeemer);
    }
    outside_->by_redeemer.emplace(session, number);
    redeemer = session;
    call.own(session);
  }
  return value;
}

void QueueObject::redeemed(Call& call, std::uint64_t number) {
  if (outside_) drop_kept(number, call);
}

bool QueueObject::confirmed_outside(CallKey key, Context& context) {
  if (!outside_) return false;
  const auto node = outside_->taken.extract(key);
  if (node.empty()) return false;
  context.work({.kind = Work::Kind::confirm, .park = node.mapped().parked});
  for (const std::uint64_t number : node.mapped().stubs) drop_kept(number, context);
  return true;
}

bool QueueObject::returned_outside(CallKey key, Context& context) {
  if (!outside_) return false;
  const auto node = outside_->taken.extract(key);
  if (node.empty()) return false;
  context.work({.kind = Work::Kind::give_back, .park = node.mapped().parked});
  return true;
}

void QueueObject::put_back_outside(std::vector<Item> items, Context& context) {
  Work work{.kind = Work::Kind::put_back, .number = items.front().number};
  std::vector<Value> values;
  for (Item& item : items) {
    bytes_ -= item.value.footprint();
    values.push_back(std::move(item.value));
  }
  work.items = to_ring(std::move(values));
  for (RingItem& item : work.items) item.redelivered = true;
  context.work(std::move(work));
}

void QueueObject::destroyed(Context& context) {
  if (outside_) context.work({.kind = Work::Kind::gone});
}

void QueueObject::save_outside(Saver& out) const {
  out.number(outside_->last_number);
  out.each(outside_->kept, [&](const auto& kept) {
    out.number(kept.first);
    out.value(kept.second.value);
    const auto& redeemer = kept.second.redeemer;
    out.boolean(redeemer.has_value());
    if (redeemer) out.number(static_cast<std::uint64_t>(*redeemer));
  });
  asking_.save(out, [&](const Waiting& call) {
    out.number(static_cast<std::uint64_t>(call.asked));
    out.number(call.max);
    out.optional(call.text_limit);
    out.optional(call.time_ms);
  });
  out.each(outside_->taken, [&](const auto& taken) {
    out.key(taken.first);
    save_taken(out, taken.second);
  });
}

void QueueObject::load_outside(Loader& in) {
  outside_.emplace(Outside{});
  outside_->last_number = in.number();
  in.each([&] {
    const std::uint64_t number = in.number();
    Kept kept{load_value(in)};
    if (in.boolean()) {
      kept.redeemer = SessionNumber{in.number()};
      outside_->by_redeemer.emplace(*kept.redeemer, number);
    }
    outside_->kept.emplace(number, std::move(kept));
  });
  asking_.load(in, [&] {
    Waiting call{.asked = load_asked(in)};
    call.max = in.number();
    call.text_limit = in.optional();
    call.time_ms = in.optional();
    return call;
  });
  in.each([&] {
    const CallKey key = in.key();
    outside_->taken.emplace(key, load_taken(in));
  });
}

void QueueObject::save_taken(Saver& out, const Taken& taken) {
  out.number(static_cast<std::uint64_t>(taken.parked));
  out.each(taken.stubs, [&](std::uint64_t number) { out.number(number); });
}

QueueObject::Taken QueueObject::load_taken(Loader& in) {
  Taken taken{ParkId{in.number()}};
  in.each([&] { taken.stubs.push_back(in.number()); });
  return taken;
}

}  // namespace steward::detail::server
