// The state of a core as bytes, and back: MessagePack, with handles as bare tokens.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>

#include <steward/core/clock.hpp>
#include <steward/core/handle_codec.hpp>
#include <steward/core/reader.hpp>
#include <steward/core/value.hpp>
#include <steward/core/writer.hpp>
#include <steward/manager/server/object.hpp>

namespace steward::detail::server {

class Saver final : public core::HandleCodec {
 public:
  explicit Saver(std::string& out) : writer_(out) {}
  core::Writer& writer() { return writer_; }

  void value(const Value& value) { core::encode_value(writer_, value, *this); }
  void number(std::uint64_t value) { writer_.natural(value); }
  void boolean(bool value) { writer_.boolean(value); }
  void optional(const std::optional<std::uint64_t>& value);
  void key(const CallKey& key);
  void time(core::Time time) { writer_.integer(time.time_since_epoch().count()); }
  void deadline(core::Deadline deadline);
  template <class Container, class F>
  void each(const Container& items, F&& one) {
    writer_.array(items.size());
    for (const auto& item : items) one(item);
  }

  core::Token outgoing(const core::Reference& reference) override;
  core::ReferencePtr incoming(core::Token token) override;

 private:
  core::Writer writer_;
};

// Reads what a Saver has written. Throws BadCall where it has not: the state is damaged, or of
// another version.
class Loader final : public core::HandleCodec {
 public:
  // An object of the state by its number, nullptr if there is none.
  using Find = std::function<core::ReferencePtr(core::ObjectId)>;

  Loader(core::Reader& reader, core::Incarnation incarnation, Find find);
  core::Reader& reader() { return reader_; }

  Value value();
  std::uint64_t number() { return reader_.natural(); }
  bool boolean() { return reader_.boolean(); }
  std::optional<std::uint64_t> optional();
  CallKey key();
  core::Time time() { return core::Time(core::Duration(reader_.integer())); }
  core::Deadline deadline();
  template <class F>
  void each(F&& one) {
    for (std::size_t left = reader_.array(); left > 0; --left) one();
  }
  template <class Id>
  Id id() {
    if (const auto id = Id::from(reader_.bytes())) return *id;
    damaged();
  }
  void version(std::uint64_t version);
  [[noreturn]] static void damaged();

  core::ReferencePtr reference(core::ObjectId object) const;
  // The call waits in this list, and, for the table of parked calls, in which one it does.
  void waits(ParkId parked, WaiterList& list);
  WaiterList& list_of(ParkId parked) const;

  core::Token outgoing(const core::Reference& reference) override;
  core::ReferencePtr incoming(core::Token token) override;

 private:
  core::Reader& reader_;
  const core::Incarnation incarnation_;
  const Find find_;
  std::map<ParkId, WaiterList*> lists_;
};

}  // namespace steward::detail::server
