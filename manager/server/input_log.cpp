#include <steward/manager/server/input_log.hpp>

#include <chrono>
#include <variant>
#include <vector>

#include <steward/core/errors.hpp>

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
    encode_limits(out, input.limits);
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

template <class Id>
Id take_id(core::Reader& in) {
  const auto id = Id::from(in.bytes());
  if (!id) throw BadCall("the log is damaged");
  return *id;
}

// A number of an enumeration whose last value is `last`.
template <class E>
E take_enum(core::Reader& in, E last) {
  const std::uint64_t number = in.natural();
  if (number > static_cast<std::uint64_t>(last)) throw BadCall("the log is damaged");
  return static_cast<E>(number);
}

std::vector<std::uint64_t> take_numbers(core::Reader& in) {
  std::vector<std::uint64_t> numbers;
  for (std::size_t left = in.array(); left > 0; --left) numbers.push_back(in.natural());
  return numbers;
}

void take(core::Reader& in, input::SessionOpened& input) {
  in.array_of(2);
  input.session = take_id<core::SessionId>(in);
  input.secret = in.bytes();
}
void take(core::Reader& in, input::SessionEnded& input) {
  in.array_of(2);
  input.session = take_id<core::SessionId>(in);
  input.ending = take_enum(in, Ending::died);
}
void take(core::Reader& in, input::SessionResumed& input) {
  in.array_of(3);
  input.session = take_id<core::SessionId>(in);
  input.incomplete = take_numbers(in);
  input.first_incomplete = in.natural();
}
void take(core::Reader& in, input::Request& input) {
  in.array_of(2);
  input.session = take_id<core::SessionId>(in);
  input.frame = in.bytes();
}
void take(core::Reader& in, input::Tick&) { in.array_of(0); }
void take(core::Reader& in, input::LimitsChanged& input) { input.limits = decode_limits(in); }
void take(core::Reader& in, input::QueueMapped& input) {
  in.array_of(1);
  input.object = core::ObjectId{in.natural()};
}
void take(core::Reader& in, input::WorkDone& input) {
  WorkResult& result = input.result;
  in.array_of(7);
  input.object = core::ObjectId{in.natural()};
  input.park = ParkId{in.natural()};
  result.code = static_cast<core::ErrorCode>(in.natural());
  result.text = in.string();
  result.number = in.natural();
  for (std::size_t left = in.array(); left > 0; --left) {
    in.array_of(3);
    WorkResult::Item& item = result.items.emplace_back();
    item.format = static_cast<std::uint32_t>(in.natural());
    item.bytes = in.bytes();
    item.redelivered = in.boolean();
  }
  result.let_go = take_numbers(in);
}

// The alternative with this index.
template <std::size_t I = 0>
Input take_input(core::Reader& in, std::uint64_t index) {
  if constexpr (I == std::variant_size_v<Input>) {
    throw BadCall("the log is of another version");
  } else {
    if (index != I) return take_input<I + 1>(in, index);
    std::variant_alternative_t<I, Input> input{};
    take(in, input);
    return input;
  }
}

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

LoggedInput decode_input(std::string_view bytes) {
  core::Reader in(bytes);
  in.array_of(3);
  const std::uint64_t index = in.natural();
  const core::Time now(std::chrono::duration_cast<core::Duration>(
      std::chrono::nanoseconds(in.integer())));
  LoggedInput logged{take_input(in, index), now};
  in.finish();
  return logged;
}

void encode_limits(core::Writer& out, const core::Limits& limits) {
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

core::Limits decode_limits(core::Reader& in) {
  core::Limits limits;
  in.array_of(10);
  limits.message_bytes = in.natural();
  limits.calls_in_flight = in.natural();
  limits.unsent_bytes = in.natural();
  limits.parked_calls = in.natural();
  limits.reply_store_bytes = in.natural();
  limits.objects = in.natural();
  limits.claim_lease = std::chrono::seconds(in.natural());
  limits.claim_leases = in.natural();
  limits.name_bytes = in.natural();
  limits.memory = in.natural();
  return limits;
}

}  // namespace steward::detail::server
