#include <steward/proxy/ring_call.hpp>

#include <stdexcept>

#include <steward/core/errors.hpp>
#include <steward/proxy/results.hpp>

namespace steward::detail::proxy {
namespace {

// False also if that cannot be found out.
bool is_known_to_be_gone(shm::SharedQueue& ring) noexcept {
  try {
    return ring.manager_is_gone();
  } catch (const std::exception&) {
    return false;
  }
}

}  // namespace

bool QueuePort::RingCall::failed(Ring::Outcome outcome) const {
  switch (outcome) {
    case Ring::Outcome::timeout:
      if (own_time()) return false;
      throw port_.timed_out(method_);
    case Ring::Outcome::closed: throw Closed(port_.name(method_) + ": the queue is closed");
    case Ring::Outcome::stopped: core::throw_interrupted(port_.name(method_));
    case Ring::Outcome::done:
    case Ring::Outcome::ended:
    case Ring::Outcome::no_block: break;
  }
  throw Disconnected(port_.name(method_) +
                     ": the manager has shut down, or was killed and nobody else uses the queue");
}

// ---- Putting ----

// no_block: also if there are handles inside.
shm::SharedQueue::Outcome QueuePort::RingCall::put_packed(const Outgoing& item) const {
  std::string packed;
  RingHandleCodec codec;
  {
    const core::HandleCodecScope scope(codec);
    on_ring([&] { item.write_argument(packed); });
  }
  if (codec.met_handles()) return Ring::Outcome::no_block;
  return put_bytes(shm::bytes_of(packed), ItemFormat::packed);
}

// With what is left of the call's time.
bool QueuePort::RingCall::put_by_manager(const Outgoing& item) const {
  const TimeLimit& time = limit_.time;
  if (!method_.parks) return port_.put_in_manager(method_, time, item);
  const Method put = until_stopped(method_.stop, offering("put"));
  return as_part(put, [&] { return port_.put_in_manager(put, time, item); });
}

void QueuePort::RingCall::put_many(const OutgoingItems& items) const {
  const std::size_t done = put_those_that_fit(items);
  if (done == items.size) return;
  std::size_t at = 0;
  const auto put_the_rest = [&](const Outgoing& item) {
    if (at++ >= done) static_cast<void>(put(item));
  };
  items.visit(items.items, put_the_rest);
}

// How many of them the ring has taken: all, or those before the first that it cannot carry.
std::size_t QueuePort::RingCall::put_those_that_fit(const OutgoingItems& items) const {
  std::vector<shm::Bytes> views;
  views.reserve(items.size);
  std::string all;  // unless they lie one behind the other already
  auto format = ItemFormat::raw;
  if (!items.raw.empty()) {
    const std::size_t bytes = items.raw.size() / items.size;
    for (std::size_t i = 0; i < items.size; ++i) {
      views.push_back(items.raw.subspan(i * bytes, bytes));
    }
  } else {
    std::vector<std::size_t> ends;
    RingHandleCodec codec;
    const auto append = [&](const Outgoing& item) {
      if (codec.met_handles()) return;
      if (item.raw.empty()) {
        format = ItemFormat::packed;
        item.write_argument(all);
      } else {
        all.append(shm::text_of(item.raw));
      }
      ends.push_back(all.size());
    };
    {
      const core::HandleCodecScope scope(codec);
      on_ring([&] { items.visit(items.items, append); });
    }
    if (codec.met_handles()) return 0;
    std::size_t begin = 0;
    for (const std::size_t end : ends) {
      views.push_back(shm::bytes_of(all).subspan(begin, end - begin));
      begin = end;
    }
  }
  std::size_t done = 0;
  const auto outcome = on_ring([&] {
    return ring_.put_many(views, static_cast<std::uint32_t>(format), until(), done,
                          Ring::NoBlock::tell);
  });
  if (outcome != Ring::Outcome::no_block) static_cast<void>(concluded(outcome));
  return done;
}

// ---- Taking ----

bool QueuePort::RingCall::show_packed(const shm::Item& item, ItemReader read) {
  RingHandleCodec codec;
  const core::HandleCodecScope scope(codec);
  return read(item);
}

std::uint64_t QueuePort::RingCall::number_of(const shm::Item& stub) {
  if (stub.bytes.size() != sizeof(std::uint64_t)) {
    throw BadCall("an item of the queue is malformed");
  }
  std::uint64_t number = 0;
  for (std::size_t i = stub.bytes.size(); i > 0; --i) {
    number = number << 8U | std::to_integer<std::uint64_t>(stub.bytes[i - 1]);
  }
  return number;
}

void QueuePort::RingCall::take_many(std::size_t max, SlotReader read) const {
  for (;;) {
    std::vector<Later> later;
    std::vector<shm::Held> held;  // of those
    std::size_t slots = 0;
    const auto look = [&](const shm::Item& item) {
      const std::size_t slot = slots++;
      const bool stub = is_stub(item);
      const auto read_it = [&](const shm::Item& shown) {
        read(slot, &shown);
        return true;
      };
      stub ? read(slot, nullptr) : static_cast<void>(show(item, read_it));
      // Behind a stub that is the first, nothing is taken for good before that is redeemed.
      const bool behind_a_stub = later.size() == slot && slot > 0;
      if (!stub && !behind_a_stub) return true;
      later.push_back({slot, stub ? std::optional(number_of(item)) : std::nullopt});
      return false;
    };
    const auto outcome = on_ring([&] { return ring_.get_many(max, look, until(), held); });
    static_cast<void>(concluded(outcome));
    if (settle(later, held, slots - later.size(), read) > 0 || max == 0) return;
  }
}

// Takes the others for good, too, as far as that is possible: what has been `taken` is not to get
// lost because the manager does not answer. What is left goes back, so that the next call meets it
// first. Returns how many are taken then.
std::size_t QueuePort::RingCall::settle(const std::vector<Later>& later,
                                        const std::vector<shm::Held>& held, std::size_t taken,
                                        SlotReader read) const {
  std::size_t next = 0;
  try {
    while (next < later.size()) {
      const auto& [slot, stub] = later[next];
      const shm::Held& item = held[next++];
      const auto read_it = [&, slot = slot](const shm::Item& shown) {
        read(slot, &shown);
        return true;
      };
      // False: it is or was somebody else's.
      if (stub ? redeem(*stub, item, read_it, taken == 0) : ring_.consume(item)) {
        ++taken;
      } else {
        read(slot, nullptr);
      }
    }
  } catch (...) {
    for (std::size_t i = next; i < held.size(); ++i) give_back(held[i]);
    if (taken == 0 || !home_.is_this_one()) throw;
    for (std::size_t i = next - 1; i < later.size(); ++i) read(later[i].slot, nullptr);
  }
  return taken;
}

void QueuePort::RingCall::give_back(const shm::Held& held) const noexcept {
  if (!home_.is_this_one()) return;
  try {
    static_cast<void>(ring_.nack(held));
  } catch (const std::exception&) {
    // Its memory is damaged, or there is none.
  }
}

bool QueuePort::RingCall::fetch(std::uint64_t stub, const shm::Held& held, ItemReader read,
                                bool heard) const {
  const Method ask = until_stopped(method_.stop, reading("redeem"));
  const TimeLimit time{limit_.time.end};  // not the item's own time: that it is late is an error
  bool answered = false;
  const auto reading = ReadBy{[&](const Reply& reply) {
    answered = true;
    show_reply(reply.result, read);
    return true;
  }};
  try {
    return as_part(ask, [&] { return port_.read_by(reading, ask, time, stub); });
  } catch (const std::out_of_range&) {
    if (answered) {  // the exception came from the reader, not from the manager
      give_back(held);
      throw;
    }
    ring_.ack(held);
    return false;
  } catch (const Disconnected&) {
    if (heard && home_.is_this_one() && is_known_to_be_gone(ring_)) {
      ring_.ack(held);
    } else {
      give_back(held);
    }
    throw;
  } catch (...) {
    give_back(held);
    throw;
  }
}

bool QueuePort::RingCall::redeem(std::uint64_t stub, const shm::Held& held, ItemReader read,
                                 bool heard) const {
  if (!fetch(stub, held, read, heard) || !ring_.consume(held)) return false;
  port_.redeemed(stub);
  return true;
}

std::optional<QueuePort::RingCall::Took> QueuePort::RingCall::redeem_in_time(
    std::uint64_t stub, const shm::Held& held, ItemReader read) const {
  try {
    return redeem(stub, held, read, true) ? std::optional(Took::item) : std::nullopt;
  } catch (const TimeoutError&) {
    if (own_time() && !until().is_now()) return Took::nothing;
    throw;
  }
}

}  // namespace steward::detail::proxy
