// The messages between a pool and its workers. Tasks go through one ring in shared memory to
// whichever worker is free, all that comes back through another.
//
// Both sides are processes of one program on one host: numbers travel as they lie in memory. What
// arrives is checked all the same, for a worker may have run wild before it died.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <type_traits>

#include <steward/core/codec.hpp>
#include <steward/core/errors.hpp>
#include <steward/pool/worker_table.hpp>

namespace steward::detail::pool {

// Some calls of one function in a row.
struct TaskHeader {
  Ticket ticket = 0;
  JobNumber job = 0;
  std::uint64_t count = 0;
  std::uint64_t call_bytes = 0;  // of the function, before the arguments
};

// The format of a message in the ring of results.
enum class ResultKind : std::uint32_t {
  done,         // the results follow, the last of them
  part,         // the first results follow: all together are too large for one message
  not_begun,    // its first worker died before it began
  failed,       // none of it could be run: a packed ExceptionRecord follows
  no_worker,    // the initializer threw: a packed ExceptionRecord follows
  worker_ended,  // from the pool itself: WorkerEnd follows
  look_again,   // from the pool itself
};

struct ResultHeader {
  Ticket ticket = 0;  // 0 where it is about no task
};

// The end of a worker, as the pool tells itself; its name follows.
struct WorkerEnd {
  Ticket at = 0;  // as its slot said
  std::int64_t pid = 0;
  std::int64_t exit_code = 0;
};

template <class T>
void append_bytes(std::string& out, const T& value) {
  static_assert(std::is_trivially_copyable_v<T>);
  out.append(reinterpret_cast<const char*>(&value), sizeof value);
}

// Reads from the front of a message, which must outlive it.
class MessageReader {
 public:
  explicit MessageReader(std::string_view bytes) : rest_(bytes) {}

  template <class T>
  T number() {
    static_assert(std::is_trivially_copyable_v<T>);
    T value;
    std::memcpy(&value, bytes(sizeof value).data(), sizeof value);
    return value;
  }
  std::string_view bytes(std::size_t size) {
    if (size > rest_.size()) throw BadCall("a message between a pool and its worker is cut short");
    const std::string_view out = rest_.substr(0, size);
    rest_.remove_prefix(size);
    return out;
  }
  std::string_view rest() const { return rest_; }

 private:
  std::string_view rest_;
};

// Arguments and results. What is one number anyway needs no encoding between two processes of one
// program.
template <class T>
inline constexpr bool kPlainNumber = std::is_arithmetic_v<T> && !std::same_as<T, bool>;

template <class T>
void pack_item(std::string& out, const T& value) {
  if constexpr (kPlainNumber<T>) {
    append_bytes(out, value);
  } else {
    core::pack(out, value);
  }
}

template <class T>
T unpack_item(MessageReader& in) {
  if constexpr (kPlainNumber<T>) {
    return in.number<T>();
  } else {
    core::Reader reader(in.rest());
    T value = core::read<T>(reader);
    in.bytes(reader.position());
    return value;
  }
}

}  // namespace steward::detail::pool
