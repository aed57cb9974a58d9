#include <steward/manager/server/input_log.hpp>

#include <chrono>

#include <steward/core/writer.hpp>

namespace steward::detail::server {
namespace {

// Writes the fields of one input behind kind and time.
struct Fields {
  core::Writer& out;

  void operator()(const input::SessionOpened& input) {
    out.array(2);
    out.bytes(input.session.view());
    out.bytes(input.secret);
  }
  void operator()(const input::SessionEnded& input) {
    out.array(2);
    out.bytes(input.session.view());
    out.natural(static_cast<std::uint64_t>(input.ending));
  }
  void operator()(const input::SessionResumed& input) {
    out.array(3);
    out.bytes(input.session.view());
    out.array(input.incomplete.size());
    for (const core::Seq seq : input.incomplete) out.natural(seq);
    out.natural(input.first_incomplete);
  }
  void operator()(const input::Request& input) {
    out.array(2);
    out.bytes(input.session.view());
    out.bytes(input.frame);
  }
  void operator()(const input::Tick&) { out.array(0); }
  void operator()(const input::LimitsChanged& input) {
    const core::Limits& limits = input.limits;
    out.array(10);
    out.natural(limits.message_bytes);
    out.natural(limits.calls_in_flight);
    out.natural(limits.unsent_bytes);
    out.natural(limits.parked_calls);
    out.natural(limits.reply_store_bytes);
    out.natural(limits.objects);
    out.natural(static_cast<std::uint64_t>(limits.claim_lease.count()));
    out.natural(limits.claim_leases);
    out.natural(limits.name_bytes);
    out.natural(limits.memory);
  }
  void operator()(const input::QueueMapped& input) {
    out.array(1);
    out.natural(core::number(input.object));
  }
  void operator()(const input::WorkDone& input) {
    const WorkResult& result = input.result;
    out.array(7);
    out.natural(core::number(input.object));
    out.natural(static_cast<std::uint64_t>(input.park));
    out.natural(static_cast<std::uint64_t>(result.code));
    out.string(result.text);
    out.natural(result.number);
    out.array(result.items.size());
    for (const WorkResult::Item& item : result.items) {
      out.array(3);
      out.natural(item.format);
      out.bytes(item.bytes);
      out.boolean(item.redelivered);
    }
    out.array(result.let_go.size());
    for (const std::uint64_t number : result.let_go) out.natural(number);
  }
};

}  // namespace

std::string encode_input(const Input& input, core::Time now) {
  std::string bytes;
  core::Writer out(bytes);
  out.array(3);
  out.natural(input.index());
  out.integer(std::chrono::duration_cast<std::chrono::nanoseconds>(now.time_since_epoch()).count());
  std::visit(Fields{out}, input);
  return bytes;
}

}  // namespace steward::detail::server
