#include <steward/process/status.hpp>

#include <cxxabi.h>

#include <array>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <typeinfo>

#include <steward/core/limits.hpp>
#include <steward/core/reader.hpp>
#include <steward/core/writer.hpp>

namespace steward::process {
namespace {

struct Header {
  StatusKind kind;
  std::int32_t value;
};

template <class Exception>
bool is(const Error& error) {
  return dynamic_cast<const Exception*>(&error) != nullptr;
}

struct KnownError {
  bool (*matches)(const Error&);
  core::ErrorCode code;
};

constexpr std::array kKnownErrors{
    KnownError{is<BadCall>, core::ErrorCode::bad_call},
    KnownError{is<core::OutOfRange>, core::ErrorCode::out_of_range},
    KnownError{is<StaleHandle>, core::ErrorCode::stale_handle},
    KnownError{is<TimeoutError>, core::ErrorCode::timed_out},
    KnownError{is<Closed>, core::ErrorCode::closed},
    KnownError{is<NotOwner>, core::ErrorCode::not_owner},
    KnownError{is<Poisoned>, core::ErrorCode::poisoned},
    KnownError{is<BrokenBarrier>, core::ErrorCode::broken_barrier},
    KnownError{is<Overloaded>, core::ErrorCode::overloaded},
    KnownError{is<Disconnected>, core::ErrorCode::disconnected},
    KnownError{is<OutcomeUnknown>, core::ErrorCode::outcome_unknown},
    KnownError{is<AuthenticationError>, core::ErrorCode::authentication},
    KnownError{is<WorkerDied>, core::ErrorCode::worker_died},
};

core::ErrorCode code_of(const Error& error) {
  for (const KnownError& known : kKnownErrors) {
    if (known.matches(error)) return known.code;
  }
  return core::ErrorCode::remote;
}

std::string demangled(const char* name) {
  int status = 0;
  const std::unique_ptr<char, void (*)(void*)> text(
      abi::__cxa_demangle(name, nullptr, nullptr, &status), std::free);
  std::string readable = status == 0 ? text.get() : name;
  // What a reader knows is the standard type that ours wraps.
  constexpr std::string_view wrapper = "steward::core::Thrown<";
  if (readable.starts_with(wrapper) && readable.ends_with('>')) {
    readable = readable.substr(wrapper.size(), readable.size() - wrapper.size() - 1);
  }
  return readable;
}

std::string current_type() {
  const std::type_info* type = abi::__cxa_current_exception_type();
  return type != nullptr ? demangled(type->name()) : "an unknown exception";
}

}  // namespace

void send_status(int channel, StatusKind kind, std::int32_t value, std::string_view text,
                 std::optional<int> fd) {
  const Header header{kind, value};
  std::string bytes(sizeof header, '\0');
  std::memcpy(bytes.data(), &header, sizeof header);
  bytes += text;
  shm::send_with_fds(channel, bytes, fd ? std::vector<int>{*fd} : std::vector<int>{});
}

std::optional<Status> receive_status(int channel, shm::Wait wait) {
  Header header{};
  auto received = shm::receive_with_fds(channel, sizeof header + kStatusTextBytes, wait);
  if (!received.message || received.message->bytes.size() < sizeof header) return std::nullopt;
  shm::FdMessage& message = *received.message;
  std::memcpy(&header, message.bytes.data(), sizeof header);
  Status status{header.kind, header.value, message.bytes.substr(sizeof header), {}};
  if (!message.fds.empty()) status.fd = std::move(message.fds.front());
  return status;
}

Failure current_failure() {
  try {
    throw;
  } catch (const RemoteError& error) {
    return {core::ErrorCode::remote, error.what(), error.type_name()};
  } catch (const Error& error) {
    return {code_of(error), error.what(), current_type()};
  } catch (const std::exception& error) {
    return {core::ErrorCode::remote, error.what(), current_type()};
  } catch (...) {
    return {core::ErrorCode::remote, "", current_type()};
  }
}

std::string pack_failure(const Failure& failure) {
  std::string packed;
  core::Writer out(packed);
  out.natural(static_cast<std::uint64_t>(failure.code));
  out.string(std::string_view(failure.text).substr(0, core::kErrorTextBytes));
  out.string(std::string_view(failure.type).substr(0, core::kErrorTextBytes));
  return packed;
}

void throw_failure(std::string_view packed) {
  core::Reader in(packed);
  const auto code = static_cast<core::ErrorCode>(in.natural());
  const std::string text(in.string());
  const std::string type(in.string());
  core::throw_error(code, text, type);
}

}  // namespace steward::process
