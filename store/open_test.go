package store_test

import (
	"testing"

	"allclear/store/storetest"
)

func TestPingAnswersOnANewDatabase(t *testing.T) {
	storetest.Each(t, func(t *testing.T, open storetest.Opener) {
		if err := open().Ping(t.Context()); err != nil {
			t.Error(err)
		}
	})
}
